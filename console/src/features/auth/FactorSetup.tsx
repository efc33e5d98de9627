import { Button, Group, Radio, Stack, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { Enrolment } from '../../api/schemas';
import { Copy } from '../../ui/Copy';
import dialogs from '../../ui/dialogs.module.css';
import { QR } from '../../ui/QR';
import { ProofProblem } from './ProofForm';
import { canPasskey, makePasskey } from './passkey';
import type { FactorKind, Proof } from './api';

interface Props<Done> {
  passkeys: boolean;
  /** The one kind that does, where there is no choice. */
  only?: FactorKind | undefined;
  start: (kind: FactorKind, name: string) => Promise<Enrolment>;
  confirm: (id: string, proof: Proof) => Promise<Done>;
  onDone: (done: Done) => void;
  onCancel?: () => void;
}

/** Sets up an authenticator app or a passkey: what and which, then the proof that it works. */
export function FactorSetup<Done>({ passkeys, only, start, confirm, onDone, onCancel }: Props<Done>) {
  const possible = passkeys && canPasskey();
  const [kind, setKind] = useState<FactorKind>(only ?? (possible ? 'passkey' : 'totp'));
  const [name, setName] = useState('');
  const [enrolment, setEnrolment] = useState<Enrolment | null>(null);
  const [code, setCode] = useState('');
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const act = (what: () => Promise<void>) => async (e: { preventDefault: () => void }) => {
    e.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await what();
    } catch (cause) {
      setError(cause);
    } finally {
      setBusy(false);
    }
  };
  const begin = act(async () => {
    const e = await start(kind, name.trim() || (kind === 'totp' ? 'Authenticator app' : 'Passkey'));
    if (e.public_key) onDone(await confirm(e.id, { passkey: await makePasskey(e.public_key) }));
    else setEnrolment(e);
  });
  const finish = act(async () => {
    if (!enrolment) return;
    setCode('');
    onDone(await confirm(enrolment.id, { code: code.trim() }));
  });
  const buttons = (label: string, ready: boolean) => (
    <Group justify="flex-end">
      {onCancel && (
        <Button variant="default" onClick={onCancel}>
          Cancel
        </Button>
      )}
      <Button type="submit" loading={busy} disabled={!ready}>
        {label}
      </Button>
    </Group>
  );
  if (enrolment?.totp) {
    return (
      <form onSubmit={finish} noValidate>
        <Stack>
          <Text size="sm">Scan this with your authenticator app, or type the key in. Then enter the code that it shows.</Text>
          <Group justify="center">
            <QR rows={enrolment.totp.qr} label="QR code for the authenticator app" />
          </Group>
          <div className={dialogs.secret}>
            <span data-testid="totp-key">{enrolment.totp.secret}</span>
            <Copy value={enrolment.totp.secret} label="Copy the key" />
          </div>
          {error !== null && <ProofProblem error={error} />}
          <TextInput label="Code" inputMode="numeric" autoComplete="one-time-code" maxLength={10} value={code} onChange={(e) => setCode(e.currentTarget.value)} data-autofocus autoFocus />
          {buttons('Confirm', code.trim() !== '')}
        </Stack>
      </form>
    );
  }
  return (
    <form onSubmit={begin} noValidate>
      <Stack>
        {!only && (
          <Radio.Group label="Kind" value={kind} onChange={(v) => setKind(v as FactorKind)}>
            <Stack gap="xs" mt={6}>
              <Radio value="passkey" label="Passkey" description={possible ? 'On this device, a phone or a security key. Cannot be phished, and signs in without a password.' : 'Not possible: this needs an https address with a name, and a browser that can.'} disabled={!possible} />
              <Radio value="totp" label="Authenticator app" description="A code of six digits that changes every 30 seconds." />
            </Stack>
          </Radio.Group>
        )}
        <TextInput label="Name" description="To tell it from others" placeholder={kind === 'totp' ? 'Authenticator app' : 'Laptop'} maxLength={60} value={name} onChange={(e) => setName(e.currentTarget.value)} />
        {error !== null && <ProofProblem error={error} />}
        {buttons('Set up', true)}
      </Stack>
    </form>
  );
}
