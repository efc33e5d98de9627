import { Button, Divider, Text } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useRouter } from '@tanstack/react-router';
import { useState } from 'react';
import type { Session } from '../../api/schemas';
import { useTimes } from '../../ui/format';
import { IconKey } from '../../ui/icons';
import { Failure, Loading } from '../../ui/states';
import { FactorSetup } from './FactorSetup';
import { DeadLink, LetterPage, LetterProblem, isDead, useLinkToken } from './Letter';
import { NewPassword } from './NewPassword';
import { RecoveryCodes } from './RecoveryCodes';
import { acceptInvitation, confirmEnrolment, lookAtInvitation, startEnrolment } from './api';
import { canPasskey } from './passkey';
import { accept, sessionQuery } from './session';
import type { Pending } from './session';

type Step = { at: 'choose' } | { at: 'factor'; pending: Pending; alone: boolean } | { at: 'codes'; session: Session; codes: string[] };

/** Where the link of an invitation leads. Looking at it spends nothing; only what the person chooses here does. */
export function InvitationPage() {
  const token = useLinkToken();
  const times = useTimes();
  const router = useRouter();
  const queries = useQueryClient();
  const [step, setStep] = useState<Step>({ at: 'choose' });
  const [busy, setBusy] = useState<'' | 'password' | 'passkey'>('');
  const [error, setError] = useState<unknown>(null);
  const look = useQuery({ queryKey: ['invitation', token], queryFn: () => lookAtInvitation(token), retry: false, staleTime: Infinity });
  const enter = async (session: Session) => {
    queries.clear();
    queries.setQueryData(sessionQuery.queryKey, accept(session));
    await router.navigate({ href: '/events', replace: true });
  };
  const take = async (password: string) => {
    setBusy(password ? 'password' : 'passkey');
    setError(null);
    try {
      const came = await acceptInvitation(token, password);
      if ('user' in came) await enter(came);
      else setStep({ at: 'factor', pending: came, alone: password === '' });
    } catch (cause) {
      setError(cause);
    } finally {
      setBusy('');
    }
  };
  if (isDead(look.error) || isDead(error)) {
    return (
      <LetterPage title="Your invitation">
        <DeadLink>It has been used, has expired or was withdrawn, or a newer one was sent. Ask whoever has invited you for a new one.</DeadLink>
      </LetterPage>
    );
  }
  if (!look.data) {
    return (
      <LetterPage title="Your invitation">
        {look.error ? <Failure error={look.error} onRetry={() => void look.refetch()} /> : <Loading />}
      </LetterPage>
    );
  }
  const { name, email, organisation, expires_at, passkeys } = look.data;
  if (step.at === 'factor') {
    return (
      <LetterPage title={step.alone ? 'Make your passkey' : 'Set up a second factor'} lead={step.alone ? 'Your device asks for your finger, face or PIN. The link works until this is done.' : 'Your organisation asks for more than a password. Choose what you want to use besides.'}>
        <FactorSetup
          passkeys only={step.alone ? 'passkey' : undefined} start={(kind, label) => startEnrolment(step.pending.token, kind, label)} confirm={(id, proof) => confirmEnrolment(step.pending.token, id, proof)}
          onDone={(done) => (done.recovery_codes.length > 0 ? setStep({ at: 'codes', session: done.session, codes: done.recovery_codes }) : void enter(done.session))}
        />
        {step.alone && (
          <Button variant="subtle" size="xs" onClick={() => setStep({ at: 'choose' })}>
            Use a password instead
          </Button>
        )}
      </LetterPage>
    );
  }
  if (step.at === 'codes') {
    return (
      <LetterPage title="Keep your recovery codes" lead="For the day on which you do not have your device.">
        <RecoveryCodes codes={step.codes} onKept={() => void enter(step.session)} />
      </LetterPage>
    );
  }
  return (
    <LetterPage title={`Welcome, ${name}`} lead={`${organisation} has invited you to its audit log. Choose how you want to sign in.`}>
      <LetterProblem error={error} />
      <NewPassword email={email} submit="Set password and sign in" busy={busy === 'password'} error={error} onPassword={(p) => void take(p)} />
      {passkeys && canPasskey() && (
        <>
          <Divider label="or" labelPosition="center" />
          <Button variant="default" leftSection={<IconKey size={16} />} onClick={() => void take('')} loading={busy === 'passkey'} fullWidth>
            Use a passkey instead
          </Button>
        </>
      )}
      <Text size="xs" c="dimmed">
        The link works once, until {times.time(expires_at)}.
      </Text>
    </LetterPage>
  );
}
