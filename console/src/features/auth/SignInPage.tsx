import { Alert, Anchor, Button, Divider, PasswordInput, Stack, Text, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQueryClient } from '@tanstack/react-query';
import { getRouteApi, useRouter } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { ApiError } from '../../api/client';
import { trouble } from '../../api/problems';
import type { Session } from '../../api/schemas';
import { ownPath } from '../../routes/search';
import { IconKey, Mark } from '../../ui/icons';
import { formatDuration } from '../../ui/format';
import { FactorSetup } from './FactorSetup';
import { Providers } from './Providers';
import { ProofForm, ProofProblem } from './ProofForm';
import { RecoveryCodes } from './RecoveryCodes';
import { askPasskey, askSecondFactor, confirmEnrolment, secondFactor, signInWithPasskey, startEnrolment } from './api';
import { PasskeyError, answerPasskey, canPasskey } from './passkey';
import { accept, sessionQuery, signIn } from './session';
import type { Pending } from './session';
import classes from './SignIn.module.css';

const route = getRouteApi('/signin');

/** Where a sign-in stands: at the password, at its second step, at setting up a first factor, or at the recovery codes that come with one. */
type Step = { at: 'password' } | { at: 'second' | 'enrol'; pending: Pending } | { at: 'codes'; session: Session; codes: string[] };

function useEnter() {
  const { next } = route.useSearch();
  const router = useRouter();
  const queries = useQueryClient();
  return async (session: Session) => {
    queries.setQueryData(sessionQuery.queryKey, accept(session));
    await router.navigate({ href: ownPath(next) ?? '/events', replace: true });
  };
}

/** The sign-in form: what was typed, what the server said, and how long it asks to wait. */
function useSignIn(enter: (s: Session) => Promise<void>, onPending: (p: Pending) => void) {
  const [error, setError] = useState<Error | null>(null);
  const [busy, setBusy] = useState<'' | 'password' | 'passkey'>('');
  const [wait, setWait] = useCountdown();
  const form = useForm({
    initialValues: { email: '', password: '' },
    validate: {
      email: (v) => (v.trim() === '' ? 'Enter your e-mail address' : null),
      password: (v) => (v === '' ? 'Enter your password' : null),
    },
  });
  const act = async (which: 'password' | 'passkey', what: () => Promise<Session | Pending>) => {
    setBusy(which);
    setError(null);
    try {
      const came = await what();
      if ('user' in came) await enter(came);
      else onPending(came);
    } catch (cause) {
      setError(cause as Error);
      if (cause instanceof ApiError && cause.status === 429) setWait(cause.retryAfter ?? 30);
      if (which === 'password') {
        form.setFieldValue('password', '');
        document.getElementById('password')?.focus();
      }
    } finally {
      setBusy('');
    }
  };
  const submit = form.onSubmit(({ email, password }) => act('password', () => signIn(email.trim(), password)));
  const passkey = () => act('passkey', async () => signInWithPasskey(await answerPasskey((await askPasskey()).public_key)));
  return { form, submit, passkey, error, busy, wait };
}

const titles = { password: 'Sign in', second: 'One more step', enrol: 'Set up a second factor', codes: 'Keep your recovery codes' };
const leads = {
  password: 'The record of who did what, and the proof of it.',
  second: 'Your password is right. Now prove that it is you.',
  enrol: 'Your organisation asks for more than a password. Choose what you want to use besides.',
  codes: 'For the day on which you do not have your device.',
};

export function SignInPage() {
  const [step, setStep] = useState<Step>({ at: 'password' });
  const enter = useEnter();
  const restart = () => setStep({ at: 'password' });
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
              {titles[step.at]}
            </Title>
            <Text size="sm" c="dimmed" mt={2}>
              {leads[step.at]}
            </Text>
          </div>
          {step.at === 'password' && <Password enter={enter} onPending={(pending) => setStep({ at: pending.enrol ? 'enrol' : 'second', pending })} />}
          {step.at === 'second' && (
            <ProofForm
              ways={step.pending.ways} submit="Sign in" askPasskey={() => askSecondFactor(step.pending.token)}
              onProof={async (proof) => enter(await secondFactor(step.pending.token, proof))}
            />
          )}
          {step.at === 'enrol' && (
            <FactorSetup
              passkeys start={(kind, name) => startEnrolment(step.pending.token, kind, name)} confirm={(id, proof) => confirmEnrolment(step.pending.token, id, proof)}
              onDone={(done) => (done.recovery_codes.length > 0 ? setStep({ at: 'codes', session: done.session, codes: done.recovery_codes }) : void enter(done.session))}
            />
          )}
          {step.at === 'codes' && <RecoveryCodes codes={step.codes} onKept={() => void enter(step.session)} />}
          {(step.at === 'second' || step.at === 'enrol') && (
            <Button variant="subtle" size="xs" onClick={restart}>
              Start again
            </Button>
          )}
        </Stack>
      </div>
      <p className={classes.foot}>Signing in and failed attempts are themselves recorded.</p>
    </main>
  );
}

function Password({ enter, onPending }: { enter: (s: Session) => Promise<void>; onPending: (p: Pending) => void }) {
  const { form, submit, passkey, error, busy, wait } = useSignIn(enter, onPending);
  const { next } = route.useSearch();
  return (
    <>
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
          <Button type="submit" loading={busy === 'password'} disabled={wait > 0} fullWidth mt={4}>
            Sign in
          </Button>
          <Anchor href="/forgot" size="sm" ta="center">
            Forgot your password?
          </Anchor>
        </Stack>
      </form>
      {canPasskey() && (
        <>
          <Divider label="or" labelPosition="center" />
          <Button variant="default" leftSection={<IconKey size={16} />} onClick={() => void passkey()} loading={busy === 'passkey'} fullWidth>
            Use a passkey
          </Button>
        </>
      )}
    </>
  );
}

function SignInError({ error }: { error: Error }) {
  if (error instanceof PasskeyError) return <ProofProblem error={error} />;
  if (error instanceof ApiError && error.status === 401) {
    return (
      <Alert color="ember" title="That did not work" role="alert">
        The e-mail address and password do not belong together, or the account is locked.
      </Alert>
    );
  }
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
