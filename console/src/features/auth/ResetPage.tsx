import { Alert, Button } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { DeadLink, LetterPage, LetterProblem, isDead, useLinkToken } from './Letter';
import { NewPassword } from './NewPassword';
import { resetPassword } from './api';

/** Where the link for a forgotten password leads. */
export function ResetPage() {
  const token = useLinkToken();
  const reset = useMutation({ mutationFn: (password: string) => resetPassword(token, password) });
  if (reset.isSuccess) {
    return (
      <LetterPage title="Your password is set">
        <Alert color="pine" role="status">
          All of your sessions have ended. Sign in with the new password; if you have a second factor, it is asked for as before.
        </Alert>
        <Button component="a" href="/signin" fullWidth>
          Sign in
        </Button>
      </LetterPage>
    );
  }
  return (
    <LetterPage title="Set a new password" lead="Your sessions elsewhere end with it.">
      {isDead(reset.error) || !token ? (
        <DeadLink>It has been used or is older than 30 minutes. Ask for a new one on the sign-in page.</DeadLink>
      ) : (
        <>
          <LetterProblem error={reset.error} />
          <NewPassword email="" submit="Set password" busy={reset.isPending} error={reset.error} onPassword={(p) => reset.mutate(p)} />
        </>
      )}
    </LetterPage>
  );
}
