import { Alert, Button, Divider, Stack } from '@mantine/core';
import { queryOptions, useQuery } from '@tanstack/react-query';
import { request } from '../../api/client';
import { signInProvidersSchema } from '../../api/schemas';

const providersQuery = queryOptions({
  queryKey: ['sign-in-providers'], retry: false, staleTime: 60e3,
  queryFn: ({ signal }) => request('GET', '/api/session/providers', { schema: signInProvidersSchema, signal, quiet401: true }),
});

/** Why a sign-in at a provider came back without a session; the server names the reason in the address. */
const problems: Record<string, string> = {
  state: 'This sign-in was begun in another window, or too long ago. Begin again.',
  provider: 'The provider did not confirm who you are.',
  domain: 'Your provider has not confirmed an e-mail address of this organisation.',
  no_account: 'You have no account here. Ask an administrator for one.',
  role: 'None of your groups has access here. Ask an administrator.',
  taken: 'Your e-mail address belongs to an account that cannot be connected. Ask an administrator.',
  locked: 'Your account is locked. Ask an administrator.',
  temporary: 'The provider cannot be reached at the moment. Try again in some minutes.',
};

/** The providers at which people can sign in besides by password, and what came of the last attempt. */
export function Providers({ next }: { next: string | undefined }) {
  const { data } = useQuery(providersQuery);
  const problem = problems[new URLSearchParams(window.location.search).get('problem') ?? ''];
  return (
    <>
      {new URLSearchParams(window.location.search).has('signed-out') && (
        <Alert color="pine" role="status">
          You are signed out here and at your provider.
        </Alert>
      )}
      {problem && (
        <Alert color="ember" title="That did not work" role="alert">
          {problem}
        </Alert>
      )}
      {data && data.items.length > 0 && (
        <Stack gap="sm">
          {data.items.map((p) => (
            <Button key={p.id} component="a" variant="default" fullWidth href={`/api/session/oidc/${encodeURIComponent(p.id)}/start${next ? `?next=${encodeURIComponent(next)}` : ''}`}>
              Continue with {p.name}
            </Button>
          ))}
          <Divider label="or" />
        </Stack>
      )}
    </>
  );
}
