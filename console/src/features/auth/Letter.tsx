import { Alert, Anchor, Stack, Text, Title } from '@mantine/core';
import { useEffect, useState } from 'react';
import type { ReactNode } from 'react';
import { ApiError } from '../../api/client';
import { trouble } from '../../api/problems';
import { Mark } from '../../ui/icons';
import classes from './SignIn.module.css';

/** The token of the link that led here. It is taken out of the address, so that it stays in no history and no screenshot. */
export function useLinkToken(): string {
  const [token] = useState(() => window.location.hash.slice(1));
  useEffect(() => {
    if (window.location.hash) window.history.replaceState(window.history.state, '', window.location.pathname);
  }, []);
  return token;
}

/** A page of its own, outside of the console, such as that of an invitation. */
export function LetterPage({ title, lead, children }: { title: string; lead?: ReactNode; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Probity`;
  }, [title]);
  return (
    <main className={classes.page} id="main">
      <div className={classes.card}>
        <Stack gap="lg">
          <div className={classes.brand}>
            <Mark size={34} />
            <span>Probity</span>
          </div>
          <div>
            <Title order={1} size="h3">
              {title}
            </Title>
            {lead && (
              <Text size="sm" c="dimmed" mt={4}>
                {lead}
              </Text>
            )}
          </div>
          {children}
        </Stack>
      </div>
      <p className={classes.foot}>What happens here is recorded.</p>
    </main>
  );
}

export function DeadLink({ children }: { children: ReactNode }) {
  return (
    <>
      <Alert color="ember" title="This link does not work" role="alert">
        {children}
      </Alert>
      <Anchor href="/signin" size="sm">
        To the sign-in page
      </Anchor>
    </>
  );
}

/** What went wrong with a form of these pages; what is said of a field stands at the field. */
export function LetterProblem({ error }: { error: unknown }) {
  if (!error || passwordProblem(error)) return null;
  if (error instanceof ApiError && error.status === 409) {
    return (
      <Alert color="amber" role="alert">
        {error.detail}
      </Alert>
    );
  }
  const { title, detail } = trouble(error);
  return (
    <Alert color="ember" title={title} role="alert">
      {detail}
    </Alert>
  );
}

/** What the server says of the password. */
export function passwordProblem(error: unknown): string | undefined {
  return error instanceof ApiError ? error.fields.find((f) => f.pointer === '/password')?.detail : undefined;
}

export const isDead = (error: unknown): boolean => error instanceof ApiError && error.status === 404;
