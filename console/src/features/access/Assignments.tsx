import { Badge, Button, Checkbox, Group, Modal, Select, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import type { Assignment } from '../../api/schemas';
import { FormDialog } from '../../ui/dialogs';
import { formatAgo, useTimes } from '../../ui/format';
import { ListHead, NewButton, RowAction, RowList } from '../../ui/rows';
import classes from '../../ui/rows.module.css';
import { useAct } from '../../ui/useAct';
import { useMay } from '../auth/session';
import { usersQuery } from '../settings/api';
import { accessKey, assign, assignmentsQuery, revoke, rolesQuery, scopeWords } from './api';

export function Assignments({ role, onRole }: { role: string; onRole: (id: string) => void }) {
  const [ended, setEnded] = useState(false);
  const [assigning, setAssigning] = useState(false);
  const [revoking, setRevoking] = useState<Assignment | null>(null);
  const manage = useMay('access.manage');
  const roles = useQuery(rolesQuery).data?.items ?? [];
  const assignments = useQuery(assignmentsQuery({ role, ended }));
  return (
    <>
      <ListHead lead="Who has which role, until when and why. What has ended is kept.">
        {manage && <NewButton label="Assign a role" onClick={() => setAssigning(true)} />}
      </ListHead>
      <Group mb="md" align="end">
        <Select label="Role" placeholder="All roles" clearable searchable value={role || null} onChange={(v) => onRole(v ?? '')} data={roles.map((r) => ({ value: r.roleId, label: r.name }))} />
        <Checkbox label="Show what has ended" checked={ended} onChange={(e) => setEnded(e.currentTarget.checked)} mb={8} />
      </Group>
      <RowList query={assignments} label="Assignments" empty={<Text p="md">Nobody has this role.</Text>}>
        {(a) => <Row key={a.assignmentId} a={a} onRevoke={manage && !a.endedAt ? () => setRevoking(a) : null} />}
      </RowList>
      {assignments.data?.next && (
        <Text size="sm" c="dimmed" mt="xs">
          The first {assignments.data.items.length} are shown; choose a role to see fewer.
        </Text>
      )}
      {assigning && <AssignDialog role={role} onClose={() => setAssigning(false)} />}
      {revoking && <RevokeDialog a={revoking} onClose={() => setRevoking(null)} />}
    </>
  );
}

function Row({ a, onRevoke }: { a: Assignment; onRevoke: (() => void) | null }) {
  const times = useTimes();
  const name = a.userName || a.userId;
  return (
    <li className={classes.row} data-off={a.endedAt || undefined}>
      <div className={classes.what}>
        <Group gap="xs">
          <span className={classes.name}>{name}</span>
          <Badge color="pine">{a.roleName || a.roleId}</Badge>
          {a.ended && <Badge color="gray">{a.ended}</Badge>}
        </Group>
        <div className={classes.note}>
          {scopeWords(a.scope)} · {a.expiresAt ? `until ${times.time(a.expiresAt)}` : 'for good'} · given {formatAgo(a.grantedAt)}
          {a.reason && ` · ${a.reason}`}
        </div>
      </div>
      {onRevoke && <RowAction label="Revoke" name={`${a.roleName || a.roleId} of ${name}`} onClick={onRevoke} />}
    </li>
  );
}

const kinds = [
  { value: 'tenant', label: 'Everywhere' },
  { value: 'dataset', label: 'One data set' },
  { value: 'resource_type', label: 'One type of resource' },
];

function AssignDialog({ role, onClose }: { role: string; onClose: () => void }) {
  const users = useQuery(usersQuery).data?.items ?? [];
  const roles = useQuery(rolesQuery).data?.items ?? [];
  const form = useForm({
    initialValues: { user: '', role, until: '', kind: 'tenant', value: '', reason: '' },
    validate: {
      user: (v) => (v ? null : 'Choose a person'),
      role: (v) => (v ? null : 'Choose a role'),
      until: (v) => (!v || new Date(v) > new Date() ? null : 'The end has to be in the future'),
      value: (v, all) => (all.kind === 'tenant' || v.trim() ? null : 'Name it'),
    },
  });
  const [waiting, setWaiting] = useState('');
  const navigate = useNavigate();
  const give = useAct(assign, accessKey, (made) => (made.approvalId ? setWaiting(made.approvalId) : onClose()));
  const chosen = roles.find((r) => r.roleId === form.values.role);
  if (waiting) {
    return (
      <Modal opened onClose={onClose} title="Somebody else has to approve it">
        <Stack>
          <Text size="sm">{chosen?.name ?? 'This role'} is of high sensitivity: nothing is given until somebody else has approved it.</Text>
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Close
            </Button>
            <Button onClick={() => void navigate({ to: '/approvals', search: { id: waiting } })}>See the request</Button>
          </Group>
        </Stack>
      </Modal>
    );
  }
  return (
    <FormDialog
      title="Assign a role"
      submit="Assign"
      pending={give.isPending}
      error={give.error}
      onSubmit={form.onSubmit((v) =>
        give.mutate({
          userId: v.user, roleId: v.role, reason: v.reason.trim(), ...(v.until ? { expiresAt: new Date(v.until).toISOString() } : {}),
          ...(v.kind === 'tenant' ? {} : { scope: { kind: v.kind, value: v.value.trim() } }),
        }),
      )}
      onClose={onClose}
    >
      <Select label="Person" searchable data={users.map((u) => ({ value: u.id, label: u.name ? `${u.name} (${u.email})` : u.email }))} data-autofocus {...form.getInputProps('user')} />
      <Select label="Role" searchable data={roles.map((r) => ({ value: r.roleId, label: r.name }))} description={chosen?.description} {...form.getInputProps('role')} />
      <TextInput label="Until" type="datetime-local" description="In your time zone; left empty, for good" {...form.getInputProps('until')} />
      <Select label="Where" data={kinds} allowDeselect={false} {...form.getInputProps('kind')} />
      {form.values.kind !== 'tenant' && <TextInput label={form.values.kind === 'dataset' ? 'Name of the data set' : 'Type of resource'} maxLength={200} {...form.getInputProps('value')} />}
      <TextInput label="Reason" maxLength={1000} description="Recorded in the log" {...form.getInputProps('reason')} />
    </FormDialog>
  );
}

function RevokeDialog({ a, onClose }: { a: Assignment; onClose: () => void }) {
  const form = useForm({ initialValues: { reason: '' } });
  const take = useAct(revoke, accessKey, onClose);
  return (
    <FormDialog title={`Revoke ${a.roleName || a.roleId}?`} submit="Revoke" cancel="Keep it" grave pending={take.isPending} error={take.error}
      onSubmit={form.onSubmit((v) => take.mutate({ userId: a.userId, roleId: a.roleId, scope: { kind: a.scope.kind, ...(a.scope.value ? { value: a.scope.value } : {}) }, reason: v.reason.trim() }))} onClose={onClose}>
      <Text size="sm">{a.userName || a.userId} loses it at once.</Text>
      <TextInput label="Reason" maxLength={1000} data-autofocus {...form.getInputProps('reason')} />
    </FormDialog>
  );
}
