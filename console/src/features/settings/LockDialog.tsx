import { Text, TextInput } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useState } from 'react';
import type { User } from '../../api/schemas';
import { FormDialog } from '../../ui/dialogs';
import { useAct } from '../../ui/useAct';
import { changeUser, usersQuery } from './api';

/** Shuts somebody out, and says why; from an entry of the log, which is recorded as the cause. */
export function LockDialog({ user, entry, onClose }: { user: User; entry?: number; onClose: () => void }) {
  const [reason, setReason] = useState('');
  const name = user.name || user.email;
  const lock = useAct(
    () => changeUser(user.id, { locked: true, reason: reason.trim(), ...(entry !== undefined ? { entry } : {}) }), usersQuery.queryKey,
    () => {
      notifications.show({ message: `${name} is locked out.` });
      onClose();
    },
  );
  return (
    <FormDialog title={`Lock the account of ${name}?`} submit="Lock the account" grave pending={lock.isPending} disabled={reason.trim() === ''} error={lock.error} onSubmit={() => lock.mutate()} onClose={onClose}>
      <Text size="sm">Their sessions and the API keys that they made end within a second, and they cannot sign in until the account is unlocked.</Text>
      <TextInput label="Reason" description={entry === undefined ? 'It is recorded' : `It is recorded, together with event ${entry}`} maxLength={500} value={reason} onChange={(e) => setReason(e.currentTarget.value)} data-autofocus />
    </FormDialog>
  );
}

export function ResetFactorsDialog({ user, act, onClose }: { user: User; act: (reason: string) => Promise<unknown>; onClose: () => void }) {
  const [reason, setReason] = useState('');
  const reset = useAct(() => act(reason.trim()), usersQuery.queryKey, onClose);
  return (
    <FormDialog title={`Reset the factors of ${user.name || user.email}?`} submit="Reset" grave pending={reset.isPending} disabled={reason.trim() === ''} error={reset.error} onSubmit={() => reset.mutate()} onClose={onClose}>
      <Text size="sm">For somebody who has lost the device. Passkeys, authenticator apps and recovery codes are removed and their sessions end; then the password alone signs in. Make sure that it is they who ask.</Text>
      <TextInput label="Reason" description="It is recorded" maxLength={500} value={reason} onChange={(e) => setReason(e.currentTarget.value)} data-autofocus />
    </FormDialog>
  );
}
