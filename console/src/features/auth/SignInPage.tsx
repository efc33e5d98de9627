import { Alert, Button, PasswordInput, Stack, Text, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQueryClient } from '@tanstack/react-query';
import { getRouteApi, useRouter } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { ApiError } from '../../api/client';
import { trouble } from '../../api/problems';
import { ownPath } from '../../routes/search';
import { Mark } from '../../ui/icons';
import { formatDuration } from '../../ui/format';
import { Providers } from './Providers';
import { sessionQuery, signIn } from './session';
import classes from './SignIn.module.css';

const route = getRouteApi('/signin');

/** The sign-in form: what was typed, what the server said, and how long it asks to wait. */
function useSignIn() {
  const { next } = route.useSearch();
  const router = useRouter();
  const queries = useQueryClient();
  const [error, setError] = useState<Error | null>(null);
  const [busy, setBusy] = useState(false);
  const [wait, setWait] = useCountdown();
  const form = useForm({
    initialValues: { email: '', password: '' },
    validate: {
      email: (v) => (v.trim() === '' ? 'Enter your e-mail address' : null),
      password: (v) => (v === '' ? 'Enter your password' : null),
    },
  });
  const submit = form.onSubmit(async ({ email, password }) => {
    setBusy(true);
    setError(null);
    try {
      queries.setQueryData(sessionQuery.queryKey, await signIn(email.trim(), password));
      await router.navigate({ href: ownPath(next) ?? '/events', replace: true });
    } catch (cause) {
      setError(cause as Error);
      if (cause instanceof ApiError && cause.status === 429) setWait(cause.retryAfter ?? 30);
      form.setFieldValue('password', '');
      document.getElementById('password')?.focus();
    } finally {
      setBusy(false);
    }
  });
  return { form, submit, error, busy, wait, next };
}

export function SignInPage() {
  const { form, submit, error, busy, wait, next } = useSignIn();
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
              Sign in
            </Title>
            <Text size="sm" c="dimmed" mt={2}>
              The record of who did what, and the proof of it.
            </Text>
          </div>
          {wait > 0 ? (
            <Alert color="amber" title="Too many attempts" role="alert">
              For the safety of this account, sign-in is paused. You can try again in <strong>{formatDuration(wait)}</strong>.
            </Alert>
          ) : (
            error && <SignInError error={error} />
          )}
          <Providers next={next} />
          <form onSubmit={submit} noValidate>
            <Stack gap="md">
              <TextInput label="E-mail" type="email" autoComplete="username" autoFocus id="email" {...form.getInputProps('email')} />
              <PasswordInput
                label="Password" autoComplete="current-password" id="password" {...form.getInputProps('password')}
                visibilityToggleButtonProps={{ 'aria-label': 'Show or hide the password' }}
              />
              <Button type="submit" loading={busy} disabled={wait > 0} fullWidth mt={4}>
                Sign in
              </Button>
            </Stack>
          </form>
        </Stack>
      </div>
      <p className={classes.foot}>Signing in and failed attempts are themselves recorded.</p>
    </main>
  );
}

function SignInError({ error }: { error: Error }) {
  if (error instanceof ApiError && error.status === 401) {
    return (
      <Alert color="ember" title="That did not work" role="alert">
        The e-mail address and password do not belong together, or the account is locked.
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

/** Seconds left, counted down to zero. */
function useCountdown(): [number, (seconds: number) => void] {
  const [until, setUntil] = useState(0);
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (until <= Date.now()) return;
    const timer = setInterval(() => {
      setNow(Date.now());
      if (Date.now() >= until) clearInterval(timer);
    }, 250);
    return () => clearInterval(timer);
  }, [until]);
  const start = (seconds: number): void => {
    setNow(Date.now());
    setUntil(Date.now() + seconds * 1000);
  };
  return [Math.max(0, Math.ceil((until - now) / 1000)), start];
}
