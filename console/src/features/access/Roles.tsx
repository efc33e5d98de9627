import { Badge, Button, Group, TextInput, Textarea } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { RoleInfo } from '../../api/schemas';
import { ConfirmDialog, FormDialog } from '../../ui/dialogs';
import { plural } from '../../ui/format';
import { ListHead, NewButton, RowAction, RowList } from '../../ui/rows';
import classes from '../../ui/rows.module.css';
import { useAct } from '../../ui/useAct';
import { useMay } from '../auth/session';
import { Matrix } from './Matrix';
import { accessKey, changeRole, createRole, deleteRole, isFixed, rolesQuery } from './api';

type Drafting = { what: 'new' } | { what: 'copy' | 'edit'; role: RoleInfo };
type Doing = Drafting | { what: 'delete'; role: RoleInfo };

export function Roles({ onHolders }: { onHolders: (id: string) => void }) {
  const roles = useQuery(rolesQuery);
  const manage = useMay('access.manage');
  const [doing, setDoing] = useState<Doing | null>(null);
  const done = () => setDoing(null);
  return (
    <>
      <ListHead lead="The built-in roles are here for everybody; copy one to change it, or make your own. Nobody gives a role more than he may do himself.">
        {manage && <NewButton label="New role" onClick={() => setDoing({ what: 'new' })} />}
      </ListHead>
      <RowList query={roles} label="Roles">
        {(r) => (
          <li key={r.roleId} className={classes.row}>
            <div className={classes.what}>
              <Group gap="xs">
                <span className={classes.name}>{r.name}</span>
                {!r.builtIn && <Badge color="pine">your own</Badge>}
                {r.edited && <Badge color="pine">changed</Badge>}
                {r.sensitivity !== 'normal' && <Badge color={r.sensitivity === 'admin' ? 'ember' : 'amber'}>{r.sensitivity === 'admin' ? 'administers' : 'sensitive'}</Badge>}
              </Group>
              <div className={classes.note}>
                {r.description} · {plural(r.permissions.length, 'permission')}
              </div>
            </div>
            <div className={classes.actions}>
              <Button size="xs" variant="default" onClick={() => onHolders(r.roleId)} aria-label={`${plural(r.holders, 'assignment')} of ${r.name}`}>
                {plural(r.holders, 'assignment')}
              </Button>
              {manage && <RowAction label="Copy" name={r.name} onClick={() => setDoing({ what: 'copy', role: r })} />}
              {manage && !isFixed(r) && <RowAction label="Rename" name={r.name} onClick={() => setDoing({ what: 'edit', role: r })} />}
              {manage && !r.builtIn && <RowAction label="Delete" name={r.name} onClick={() => setDoing({ what: 'delete', role: r })} />}
            </div>
          </li>
        )}
      </RowList>
      {roles.data && <Matrix roles={roles.data.items} />}
      {doing?.what === 'delete' && (
        <ConfirmDialog title={`Delete ${doing.role.name}?`} act={() => deleteRole(doing.role.roleId)} refresh={accessKey} onClose={done}>
          {doing.role.holders > 0 ? `${plural(doing.role.holders, 'assignment')} give this role: they have to be revoked first.` : 'Nobody has this role. What it was stays in the log.'}
        </ConfirmDialog>
      )}
      {doing && doing.what !== 'delete' && <RoleDialog doing={doing} onClose={done} />}
    </>
  );
}

function RoleDialog({ doing, onClose }: { doing: Drafting; onClose: () => void }) {
  const role = doing.what === 'new' ? null : doing.role;
  const form = useForm({
    initialValues: { name: doing.what === 'copy' ? `Copy of ${role?.name}` : (role?.name ?? ''), description: role?.description ?? '' },
    validate: { name: (v) => (v.trim() ? null : 'Enter a name') },
  });
  const save = useAct((v: { name: string; description: string }) => {
    if (doing.what === 'edit') return changeRole(doing.role, { ...v, permissions: doing.role.permissions });
    return createRole(doing.what === 'copy' ? { ...v, copyOf: doing.role.roleId } : { ...v, permissions: [] });
  }, accessKey, onClose);
  const title = { new: 'New role', copy: `Copy ${role?.name}`, edit: `Rename ${role?.name}` }[doing.what];
  return (
    <FormDialog title={title} submit={doing.what === 'edit' ? 'Save' : 'Make role'} pending={save.isPending} error={save.error} onSubmit={form.onSubmit((v) => save.mutate({ name: v.name.trim(), description: v.description.trim() }))} onClose={onClose}>
      <TextInput label="Name" maxLength={100} data-autofocus {...form.getInputProps('name')} />
      <Textarea label="Description" maxLength={500} autosize minRows={2} {...form.getInputProps('description')} />
    </FormDialog>
  );
}
