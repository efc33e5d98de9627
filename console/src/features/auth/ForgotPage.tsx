import { Alert, Anchor, Button, Stack, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation } from '@tanstack/react-query';
import { LetterPage, LetterProblem } from './Letter';
import { forgotPassword } from './api';

/** Asks for a link to set a new password. What it says is the same whoever has the address. */
export function ForgotPage() {
  const ask = useMutation({ mutationFn: forgotPassword });
  const form = useForm({ initialValues: { email: '' }, validate: { email: (v) => (/^\S+@\S+$/.test(v.trim()) ? null : 'Enter your e-mail address') } });
  return (
    <LetterPage title="Forgot your password?" lead="We send you a link with which you can set a new one.">
      <LetterProblem error={ask.error} />
      {ask.isSuccess ? (
        <Alert color="pine" title="Look into your letter box" role="status">
          If an account with a password has the address {form.values.email.trim()}, a link is on its way there. It works once, for 30 minutes. If you sign in through your organisation’s provider, reset your password there.
        </Alert>
      ) : (
        <form onSubmit={form.onSubmit((v) => ask.mutate(v.email.trim()))} noValidate>
          <Stack gap="md">
            <TextInput label="E-mail" type="email" autoComplete="username" autoFocus {...form.getInputProps('email')} />
            <Button type="submit" loading={ask.isPending} fullWidth mt={4}>
              Send the link
            </Button>
          </Stack>
        </form>
      )}
      <Anchor href="/signin" size="sm">
        To the sign-in page
      </Anchor>
    </LetterPage>
  );
}
