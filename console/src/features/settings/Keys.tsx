import { Alert, Badge, Button, Checkbox, Group, Modal, Stack, TagsInput, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { ApiKey } from '../../api/schemas';
import { Copy } from '../../ui/Copy';
import { IconKey, IconPlus } from '../../ui/icons';
import { Empty, Failure, Loading } from '../../ui/states';
import { formatAgo, useTimes } from '../../ui/format';
import { createKey, keysQuery, revokeKey, scopes } from './api';
import classes from './Settings.module.css';

export function Keys() {
  const { data, error, isPending, refetch } = useQuery(keysQuery);
  const [creating, setCreating] = useState(false);
  const [revoking, setRevoking] = useState<ApiKey | null>(null);
  return (
    <>
      <div className={classes.head}>
        <p className={classes.lead}>Keys let applications record and read events. Bind a writing key to the sources that it speaks for, so that no application can write in another’s name.</p>
        <Button size="xs" leftSection={<IconPlus size={15} />} onClick={() => setCreating(true)}>
          New key
        </Button>
      </div>
      {error && !data && <Failure error={error} onRetry={() => void refetch()} />}
      {isPending && !error && <Loading />}
      {data && (
        <div className="panel">
          {data.items.length === 0 && <Empty title="No keys yet">Make one for each application that records events.</Empty>}
          <ul className={classes.rows}>
            {data.items.map((k) => (
              <KeyRow key={k.id} item={k} onRevoke={() => setRevoking(k)} />
            ))}
          </ul>
        </div>
      )}
      {creating && <NewKeyDialog onClose={() => setCreating(false)} />}
      {revoking && <RevokeDialog item={revoking} onClose={() => setRevoking(null)} />}
    </>
  );
}

function KeyRow({ item, onRevoke }: { item: ApiKey; onRevoke: () => void }) {
  const times = useTimes();
  const expired = item.expires_at !== '' && Date.parse(item.expires_at) < Date.now();
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
        </Group>
        <div className={classes.tags}>
          {item.scopes.map((s) => (
            <Badge key={s} size="sm" color="gray">
              {s}
            </Badge>
          ))}
          {item.sources.length > 0 && <Badge size="sm">only as {item.sources.join(', ')}</Badge>}
        </div>
        <div className={classes.note}>
          Made {times.day(item.created_at)} · {item.last_used_at ? `last used ${formatAgo(item.last_used_at)}` : 'never used'}
          {item.expires_at && !expired && ` · ends ${times.day(item.expires_at)}`}
          {item.revoked_at && ` · revoked ${times.day(item.revoked_at)}`}
        </div>
      </div>
      {!off && (
        <Button size="xs" variant="default" onClick={onRevoke} aria-label={`Revoke ${item.name}`}>
          Revoke
        </Button>
      )}
    </li>
  );
}

function NewKeyDialog({ onClose }: { onClose: () => void }) {
  const queries = useQueryClient();
  const create = useMutation({ mutationFn: createKey, onSuccess: () => queries.invalidateQueries({ queryKey: keysQuery.queryKey }) });
  const form = useForm({
    initialValues: { name: '', scopes: ['ledger.append'], sources: [] as string[], expires: '' },
    validate: {
      name: (v) => (v.trim() ? null : 'Say what the key is for'),
      scopes: (v) => (v.length > 0 ? null : 'Choose what the key may do'),
      expires: (v) => (v === '' || Date.parse(`${v}T23:59:59Z`) > Date.now() ? null : 'This day is over'),
    },
  });
  if (create.data) return <SecretDialog item={create.data} onClose={onClose} />;
  const submit = form.onSubmit((v) =>
    create.mutate({
      name: v.name.trim(), scopes: v.scopes, ...(v.sources.length > 0 ? { sources: v.sources } : {}),
      ...(v.expires ? { expires_at: new Date(`${v.expires}T23:59:59Z`).toISOString() } : {}),
    }),
  );
  return (
    <Modal opened onClose={onClose} title="New API key" size="lg">
      <form onSubmit={submit} noValidate>
        <Stack>
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
          {create.error && <Failure error={create.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={create.isPending}>
              Make key
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

function SecretDialog({ item, onClose }: { item: ApiKey; onClose: () => void }) {
  return (
    <Modal opened onClose={onClose} title="Keep this key" closeOnClickOutside={false} closeOnEscape={false}>
      <Stack>
        <Alert color="amber" icon={<IconKey />}>
          The key is shown this once. Put it where the application finds it; whoever has it can use it.
        </Alert>
        <div className={classes.secret}>
          <span style={{ flex: 1 }} data-testid="secret">
            {item.secret}
          </span>
          <Copy value={item.secret} label="Copy the key" />
        </div>
        <Group justify="flex-end">
          <Button onClick={onClose}>I have kept it</Button>
        </Group>
      </Stack>
    </Modal>
  );
}

function RevokeDialog({ item, onClose }: { item: ApiKey; onClose: () => void }) {
  const queries = useQueryClient();
  const revoke = useMutation({
    mutationFn: () => revokeKey(item.id),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: keysQuery.queryKey });
      onClose();
    },
  });
  return (
    <Modal opened onClose={onClose} title={`Revoke “${item.name}”?`}>
      <Stack>
        <Text size="sm">Applications that use it are refused from now on, and their events are not recorded. This cannot be undone.</Text>
        {revoke.error && <Failure error={revoke.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Keep it
          </Button>
          <Button color="ember" loading={revoke.isPending} onClick={() => revoke.mutate()}>
            Revoke
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
