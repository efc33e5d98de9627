import { Badge, Button, Group, Menu, Modal, PasswordInput, Select, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { User } from '../../api/schemas';
import { IconMore, IconPlus } from '../../ui/icons';
import { Failure, Loading } from '../../ui/states';
import { formatAgo, words } from '../../ui/format';
import { useSession } from '../auth/session';
import { changeUser, createUser, roleAbout, roles, usersQuery } from './api';
import classes from './Settings.module.css';

export function Users() {
  const { data, error, isPending, refetch } = useQuery(usersQuery);
  const [creating, setCreating] = useState(false);
  return (
    <>
      <div className={classes.head}>
        <p className={classes.lead}>People who sign in to this console.</p>
        <Button size="xs" leftSection={<IconPlus size={15} />} onClick={() => setCreating(true)}>
          New user
        </Button>
      </div>
      {error && !data && <Failure error={error} onRetry={() => void refetch()} />}
      {isPending && !error && <Loading />}
      {data && (
        <ul className={`panel ${classes.rows}`}>
          {data.items.map((u) => (
            <UserRow key={u.id} user={u} />
          ))}
        </ul>
      )}
      {creating && <NewUserDialog onClose={() => setCreating(false)} />}
    </>
  );
}

function UserRow({ user }: { user: User }) {
  const queries = useQueryClient();
  const me = useSession()?.user.id === user.id;
  const change = useMutation({
    mutationFn: (c: { role?: string; locked?: boolean }) => changeUser(user.id, c),
    onSuccess: () => queries.invalidateQueries({ queryKey: usersQuery.queryKey }),
  });
  return (
    <li className={classes.row} data-off={user.locked_at || undefined}>
      <div className={classes.what}>
        <Group gap="xs">
          <span className={classes.name}>{user.name || user.email}</span>
          <Badge color={user.role === 'admin' ? 'pine' : 'gray'}>{words(user.role)}</Badge>
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
            <Menu.Divider />
            <Menu.Item color={user.locked_at ? undefined : 'ember'} onClick={() => change.mutate({ locked: !user.locked_at })}>
              {user.locked_at ? 'Unlock' : 'Lock: end sessions and refuse sign-in'}
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      )}
    </li>
  );
}

function NewUserDialog({ onClose }: { onClose: () => void }) {
  const queries = useQueryClient();
  const create = useMutation({
    mutationFn: createUser,
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: usersQuery.queryKey });
      onClose();
    },
  });
  const form = useForm({
    initialValues: { email: '', name: '', role: 'auditor', password: '' },
    validate: {
      email: (v) => (/^\S+@\S+$/.test(v.trim()) ? null : 'This is not an e-mail address'),
      name: (v) => (v.trim() ? null : 'Enter a name'),
      password: (v) => (v.length >= 12 ? null : 'Use 12 characters or more'),
    },
  });
  return (
    <Modal opened onClose={onClose} title="New user">
      <form onSubmit={form.onSubmit((v) => create.mutate({ ...v, email: v.email.trim(), name: v.name.trim() }))} noValidate>
        <Stack>
          <TextInput label="Name" autoComplete="off" maxLength={100} data-autofocus {...form.getInputProps('name')} />
          <TextInput label="E-mail" type="email" autoComplete="off" {...form.getInputProps('email')} />
          <Select label="Role" data={roles} allowDeselect={false} description={roleAbout[form.values.role]} {...form.getInputProps('role')} />
          <PasswordInput label="First password" description="12 characters or more; hand it over safely, to be changed at once" autoComplete="new-password" {...form.getInputProps('password')} />
          {create.error && <Failure error={create.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={create.isPending}>
              Create user
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
