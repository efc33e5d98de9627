import { Badge, Checkbox, Group, Select, Stack, TagsInput, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { ApiKey } from '../../api/schemas';
import { ConfirmDialog, FormDialog, SecretDialog } from '../../ui/dialogs';
import { formatAgo, useTimes } from '../../ui/format';
import { ListHead, NewButton, RowAction, RowList, Tags } from '../../ui/rows';
import classes from '../../ui/rows.module.css';
import { Empty } from '../../ui/states';
import { useAct } from '../../ui/useAct';
import { createKey, keysQuery, revokeKey, scopes } from './api';
import { rotateKey } from './switches';

export function Keys() {
  const keys = useQuery(keysQuery);
  const [creating, setCreating] = useState(false);
  const [revoking, setRevoking] = useState<ApiKey | null>(null);
  const [rotating, setRotating] = useState<ApiKey | null>(null);
  return (
    <>
      <ListHead lead="Keys let applications record and read events. Bind a writing key to the sources that it speaks for, so that no application can write in another’s name.">
        <NewButton label="New key" onClick={() => setCreating(true)} />
      </ListHead>
      <RowList query={keys} label="API keys" empty={<Empty title="No keys yet">Make one for each application that records events.</Empty>}>
        {(k) => <KeyRow key={k.id} item={k} onRevoke={() => setRevoking(k)} onRotate={() => setRotating(k)} />}
      </RowList>
      {creating && <NewKeyDialog onClose={() => setCreating(false)} />}
      {rotating && <RotateKeyDialog item={rotating} onClose={() => setRotating(null)} />}
      {revoking && (
        <ConfirmDialog title={`Revoke “${revoking.name}”?`} label="Revoke" act={() => revokeKey(revoking.id)} refresh={keysQuery.queryKey} onClose={() => setRevoking(null)}>
          Applications that use it are refused from now on, and their events are not recorded. This cannot be undone.
        </ConfirmDialog>
      )}
    </>
  );
}

function KeyRow({ item, onRevoke, onRotate }: { item: ApiKey; onRevoke: () => void; onRotate: () => void }) {
  const times = useTimes();
  const expired = item.expires_at !== '' && Date.parse(item.expires_at) < Date.now();
  const twoSecrets = item.old_secret_until !== '' && Date.parse(item.old_secret_until) > Date.now();
  const off = item.revoked_at ? 'revoked' : expired ? 'expired' : '';
  return (
    <li className={classes.row} data-off={off || undefined}>
      <div className={classes.what}>
        <Group gap="xs">
          <span className={classes.name}>{item.name}</span>
          <Text span size="xs" className="mono">
            {item.prefix}…
          </Text>
          {off && <Badge color="gray">{off}</Badge>}
          {!off && twoSecrets && <Badge color="amber">old secret works until {times.time(item.old_secret_until)}</Badge>}
        </Group>
        <Tags texts={[...item.scopes, ...(item.sources.length > 0 ? [`only as ${item.sources.join(', ')}`] : [])]} />
        <div className={classes.note}>
          Made {times.day(item.created_at)} · {item.last_used_at ? `last used ${formatAgo(item.last_used_at)}` : 'never used'}
          {item.expires_at && !expired && ` · ends ${times.day(item.expires_at)}`}
          {item.revoked_at && ` · revoked ${times.day(item.revoked_at)}`}
        </div>
      </div>
      {!off && (
        <Group gap="xs">
          <RowAction label="Rotate" name={item.name} onClick={onRotate} />
          <RowAction label="Revoke" name={item.name} onClick={onRevoke} />
        </Group>
      )}
    </li>
  );
}

function NewKeyDialog({ onClose }: { onClose: () => void }) {
  const create = useAct(createKey, keysQuery.queryKey);
  const form = useForm({
    initialValues: { name: '', scopes: ['ledger.append'], sources: [] as string[], expires: '' },
    validate: {
      name: (v) => (v.trim() ? null : 'Say what the key is for'),
      scopes: (v) => (v.length > 0 ? null : 'Choose what the key may do'),
      expires: (v) => (v === '' || Date.parse(`${v}T23:59:59Z`) > Date.now() ? null : 'This day is over'),
    },
  });
  if (create.data)
    return (
      <SecretDialog title="Keep this key" values={[{ label: 'API key', value: create.data.secret }]} onClose={onClose}>
        The key is shown this once. Put it where the application finds it; whoever has it can use it.
      </SecretDialog>
    );
  const submit = form.onSubmit((v) =>
    create.mutate({
      name: v.name.trim(), scopes: v.scopes, ...(v.sources.length > 0 ? { sources: v.sources } : {}),
      ...(v.expires ? { expires_at: new Date(`${v.expires}T23:59:59Z`).toISOString() } : {}),
    }),
  );
  return (
    <FormDialog title="New API key" size="lg" submit="Make key" pending={create.isPending} error={create.error} onSubmit={submit} onClose={onClose}>
      <TextInput label="Name" description="Which application, where" placeholder="Booking service, production" maxLength={100} data-autofocus {...form.getInputProps('name')} />
      <Checkbox.Group label="May do" {...form.getInputProps('scopes')}>
        <Stack gap={9} mt={6}>
          {scopes.map((s) => (
            <Checkbox key={s.value} value={s.value} label={s.label} description={s.about} />
          ))}
        </Stack>
      </Checkbox.Group>
      <TagsInput
        label="Only as these sources (optional)" description="* stands for any run of characters, as in booking.*" placeholder="booking.api" splitChars={[',', ' ']}
        {...form.getInputProps('sources')}
      />
      <TextInput label="Ends after (optional)" type="date" {...form.getInputProps('expires')} />
    </FormDialog>
  );
}

const overlaps = [
  { value: '0', label: 'Stop at once' },
  { value: '3600', label: 'Works for an hour' },
  { value: '86400', label: 'Works for a day' },
  { value: '604800', label: 'Works for a week' },
  { value: '2592000', label: 'Works for 30 days' },
];

/** Gives a key another secret. The old one works for a while, so that applications can be changed one after the other. */
function RotateKeyDialog({ item, onClose }: { item: ApiKey; onClose: () => void }) {
  const rotate = useAct(rotateKey, keysQuery.queryKey);
  const [overlap, setOverlap] = useState('86400');
  if (rotate.data)
    return (
      <SecretDialog title="Keep this key" values={[{ label: 'API key', value: rotate.data.secret }]} onClose={onClose}>
        The key is shown this once. Put it where the application finds it{overlap === '0' ? '' : ' before the old one stops'}.
      </SecretDialog>
    );
  return (
    <FormDialog title={`Rotate “${item.name}”`} submit="Make another secret" pending={rotate.isPending} error={rotate.error} onSubmit={() => rotate.mutate({ id: item.id, overlap: Number(overlap) })} onClose={onClose}>
      <Select label="The old secret" data={overlaps} allowDeselect={false} value={overlap} onChange={(v) => setOverlap(v ?? '86400')} />
    </FormDialog>
  );
}
