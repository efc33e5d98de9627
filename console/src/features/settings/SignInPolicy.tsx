import { Radio, Select, Stack } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { FormDialog } from '../../ui/dialogs';
import { useAct } from '../../ui/useAct';
import { policyQuery, savePolicy } from '../auth/api';
import { roles } from './api';

const of = (list: readonly string[]) => (list.length === 0 ? 'nobody' : list.includes('*') ? 'everybody' : 'role');

/** Of whom the organisation asks more than a password. */
export function SignInPolicy({ onClose }: { onClose: () => void }) {
  const policy = useQuery(policyQuery);
  const now = policy.data?.second_factor_of ?? [];
  const [picked, setPicked] = useState<string | null>(null);
  const [role, setRole] = useState<string | null>(null);
  const choice = picked ?? of(now);
  const chosenRole = role ?? now.find((r) => r !== '*') ?? 'admin';
  const save = useAct(savePolicy, policyQuery.queryKey, onClose);
  const submit = () => save.mutate(choice === 'everybody' ? ['*'] : choice === 'role' ? [chosenRole] : []);
  return (
    <FormDialog title="Second factor" submit="Save" pending={save.isPending} disabled={!policy.data} error={save.error ?? policy.error} onSubmit={submit} onClose={onClose}>
      <Radio.Group label="Who must have a passkey or an authenticator app" description="From the next sign-in on; who has none is led to setting one up." value={choice} onChange={setPicked}>
        <Stack gap="xs" mt="xs">
          <Radio value="nobody" label="Nobody: everybody chooses" />
          <Radio value="role" label="One role" />
          <Radio value="everybody" label="Everybody" />
        </Stack>
      </Radio.Group>
      {choice === 'role' && <Select label="Role" data={roles} value={chosenRole} onChange={setRole} allowDeselect={false} />}
    </FormDialog>
  );
}
