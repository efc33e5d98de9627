import { Button, PasswordInput, Stack, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { passwordProblem } from './Letter';

interface Props {
  /** Whose password it is, for the browser's keeper of passwords; '' when that is not known. */
  email: string;
  submit: string;
  busy: boolean;
  error: unknown;
  onPassword: (password: string) => void;
}

/** Asks for a new password, twice. */
export function NewPassword({ email, submit, busy, error, onPassword }: Props) {
  const form = useForm({
    initialValues: { password: '', again: '' },
    validate: {
      password: (v) => ([...v].length >= 12 ? null : 'Use 12 characters or more'),
      again: (v, all) => (v === all.password ? null : 'The two are not the same'),
    },
  });
  const toggle = { visibilityToggleButtonProps: { 'aria-label': 'Show or hide the password' } };
  const said = passwordProblem(error);
  return (
    <form onSubmit={form.onSubmit((v) => onPassword(v.password))} noValidate>
      <Stack gap="md">
        {email && <TextInput label="E-mail" type="email" autoComplete="username" value={email} readOnly />}
        <PasswordInput
          label="New password" description="12 characters or more. Several words do well; nothing else is asked of it." autoComplete="new-password" data-autofocus {...toggle}
          {...form.getInputProps('password')} error={form.errors['password'] ?? said}
        />
        <PasswordInput label="Once more" autoComplete="new-password" {...toggle} {...form.getInputProps('again')} />
        <Button type="submit" loading={busy} fullWidth mt={4}>
          {submit}
        </Button>
      </Stack>
    </form>
  );
}
