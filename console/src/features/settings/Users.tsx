import { Badge, Button, Group, Menu, Modal, PasswordInput, Select, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import type { User } from '../../api/schemas';
import { FormDialog } from '../../ui/dialogs';
import { formatAgo, words } from '../../ui/format';
import { IconMore } from '../../ui/icons';
import { ListHead, NewButton, RowList } from '../../ui/rows';
import classes from '../../ui/rows.module.css';
import { Failure } from '../../ui/states';
import { useAct } from '../../ui/useAct';
import { rolesQuery } from '../access/api';
import { Sessions } from '../account/Sessions';
import { resetFactors } from '../auth/api';
import { useSession } from '../auth/session';
import { Invitations, InviteDialog } from './Invitations';
import { LockDialog, ResetFactorsDialog } from './LockDialog';
import { SignInPolicy } from './SignInPolicy';
import { changeUser, createUser, roleAbout, roles, usersQuery } from './api';

export function Users() {
  const users = useQuery(usersQuery);
  const [creating, setCreating] = useState(false);
  const [policy, setPolicy] = useState(false);
  const [inviting, setInviting] = useState(false);
  return (
    <>
      <ListHead lead="People who sign in to this console.">
        <Group gap="xs">
          <Button size="xs" variant="default" onClick={() => setPolicy(true)}>
            Second factor
          </Button>
          <Button size="xs" variant="default" onClick={() => setCreating(true)}>
            New user
          </Button>
          <NewButton label="Invite" onClick={() => setInviting(true)} />
        </Group>
      </ListHead>
      <RowList query={users} label="Users">
        {(u) => <UserRow key={u.id} user={u} />}
      </RowList>
      <Invitations />
      {inviting && <InviteDialog onClose={() => setInviting(false)} />}
      {creating && <NewUserDialog onClose={() => setCreating(false)} />}
      {policy && <SignInPolicy onClose={() => setPolicy(false)} />}
    </>
  );
}

function UserRow({ user }: { user: User }) {
  const me = useSession()?.user.id === user.id;
  const navigate = useNavigate();
  const names = new Map(useQuery(rolesQuery).data?.items.map((r) => [r.roleId, r.name]));
  const [doing, setDoing] = useState<'' | 'lock' | 'sessions' | 'factors'>('');
  const change = useAct((c: { role?: string; locked?: boolean }) => changeUser(user.id, c), usersQuery.queryKey);
  const close = () => setDoing('');
  return (
    <li className={classes.row} data-off={user.locked_at || undefined}>
      <div className={classes.what}>
        <Group gap="xs">
          <span className={classes.name}>{user.name || user.email}</span>
          {user.roles.map((r) => (
            <Badge key={r} color={r === 'admin' || r === 'owner' ? 'pine' : 'gray'}>
              {names.get(r) ?? words(r)}
            </Badge>
          ))}
          {user.factors > 0 && <Badge color="gray">second factor</Badge>}
          {user.locked_at && <Badge color="ember">locked</Badge>}
          {me && (
            <Text span size="xs" c="dimmed">
              you
            </Text>
          )}
        </Group>
        <div className={classes.note}>
          {user.email} · {user.last_login_at ? `signed in ${formatAgo(user.last_login_at)}` : 'has not signed in'}
        </div>
        {change.error && <Failure error={change.error} />}
      </div>
      {!me && (
        <Menu position="bottom-end">
          <Menu.Target>
            <Button size="xs" variant="default" aria-label={`Change ${user.name || user.email}`} loading={change.isPending}>
              <IconMore size={16} />
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Label>Role</Menu.Label>
            {roles.map((r) => (
              <Menu.Item key={r.value} disabled={r.value === user.role} onClick={() => change.mutate({ role: r.value })}>
                {r.label}
              </Menu.Item>
            ))}
            <Menu.Item onClick={() => void navigate({ to: '/access', search: { tab: 'assignments' } })}>
              Other roles, several, or for a while…
            </Menu.Item>
            <Menu.Divider />
            <Menu.Item onClick={() => setDoing('sessions')}>Sessions</Menu.Item>
            {user.factors > 0 && <Menu.Item onClick={() => setDoing('factors')}>Reset factors: the device is lost</Menu.Item>}
            <Menu.Divider />
            <Menu.Item color={user.locked_at ? undefined : 'ember'} onClick={() => (user.locked_at ? change.mutate({ locked: false }) : setDoing('lock'))}>
              {user.locked_at ? 'Unlock' : 'Lock: end sessions and refuse sign-in'}
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      )}
      {doing === 'lock' && <LockDialog user={user} onClose={close} />}
      {doing === 'factors' && <ResetFactorsDialog user={user} act={(reason) => resetFactors(user.id, reason)} onClose={close} />}
      {doing === 'sessions' && (
        <Modal opened onClose={close} title={`Sessions of ${user.name || user.email}`} size="lg">
          <Sessions userId={user.id} />
        </Modal>
      )}
    </li>
  );
}

function NewUserDialog({ onClose }: { onClose: () => void }) {
  const create = useAct(createUser, usersQuery.queryKey, onClose);
  const own = useQuery(rolesQuery).data?.items;
  const form = useForm({
    initialValues: { email: '', name: '', role: 'auditor', password: '' },
    validate: {
      email: (v) => (/^\S+@\S+$/.test(v.trim()) ? null : 'This is not an e-mail address'),
      name: (v) => (v.trim() ? null : 'Enter a name'),
      password: (v) => (v.length >= 12 ? null : 'Use 12 characters or more'),
    },
  });
  return (
    <FormDialog title="New user" submit="Create user" pending={create.isPending} error={create.error} onSubmit={form.onSubmit((v) => create.mutate({ ...v, email: v.email.trim(), name: v.name.trim() }))} onClose={onClose}>
      <TextInput label="Name" autoComplete="off" maxLength={100} data-autofocus {...form.getInputProps('name')} />
      <TextInput label="E-mail" type="email" autoComplete="off" {...form.getInputProps('email')} />
      <Select label="Role" data={own?.map((r) => ({ value: r.roleId, label: r.name })) ?? roles} allowDeselect={false} description={own?.find((r) => r.roleId === form.values.role)?.description ?? roleAbout[form.values.role]} {...form.getInputProps('role')} />
      <PasswordInput label="First password" description="12 characters or more; hand it over safely, to be changed at once" autoComplete="new-password" {...form.getInputProps('password')} />
    </FormDialog>
  );
}
