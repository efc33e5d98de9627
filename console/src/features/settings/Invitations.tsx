import { Badge, Box, Group, MultiSelect, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { Invitation } from '../../api/schemas';
import { ConfirmDialog, FormDialog, SecretDialog } from '../../ui/dialogs';
import { formatAgo, useTimes, words } from '../../ui/format';
import { ListHead, RowAction, RowList, RowProblem } from '../../ui/rows';
import classes from '../../ui/rows.module.css';
import { useAct } from '../../ui/useAct';
import { rolesQuery } from '../access/api';
import { invitationsQuery, invite, reinvite, roles, withdrawInvitation } from './api';

/** Those who have been asked to come and have not, or not yet. There is no list while there are none. */
export function Invitations() {
  const query = useQuery(invitationsQuery);
  const waiting = query.data?.items.filter((i) => i.state === 'open' || i.state === 'expired') ?? [];
  if (waiting.length === 0) return null;
  return (
    <Box mt="xl">
      <ListHead lead="Invitations that nobody has accepted yet." />
      <RowList query={{ ...query, data: { ...query.data, items: waiting } } as typeof query} label="Invitations">
        {(i) => <InvitationRow key={i.id} invitation={i} />}
      </RowList>
    </Box>
  );
}

function InvitationRow({ invitation: i }: { invitation: Invitation }) {
  const times = useTimes();
  const names = new Map(useQuery(rolesQuery).data?.items.map((r) => [r.roleId, r.name]));
  const [withdrawing, setWithdrawing] = useState(false);
  const [link, setLink] = useState('');
  const again = useAct(async () => setLink((await reinvite(i.id)).link), invitationsQuery.queryKey);
  const open = i.state === 'open';
  return (
    <li className={classes.row} data-off={!open || undefined}>
      <div className={classes.what}>
        <Group gap="xs">
          <span className={classes.name}>{i.name}</span>
          {i.roles.map((r) => (
            <Badge key={r} color="gray">
              {names.get(r) ?? words(r)}
            </Badge>
          ))}
          {!open && <Badge color="amber">expired</Badge>}
        </Group>
        <div className={classes.note}>
          {i.email} · invited {formatAgo(i.created_at)}
          {open && ` · until ${times.time(i.expires_at)}`}
        </div>
        {i.problem && <div className={classes.failed}>The letter could not be delivered: {i.problem}</div>}
        <RowProblem error={again.error} />
      </div>
      {open && (
        <Group gap="xs">
          <RowAction label="Send again" name={`the invitation of ${i.name}`} onClick={() => again.mutate()} loading={again.isPending} />
          <RowAction label="Withdraw" name={`the invitation of ${i.name}`} onClick={() => setWithdrawing(true)} />
        </Group>
      )}
      {withdrawing && (
        <ConfirmDialog title={`Withdraw the invitation of ${i.name}?`} label="Withdraw" act={() => withdrawInvitation(i.id)} refresh={invitationsQuery.queryKey} onClose={() => setWithdrawing(false)}>
          The link that was sent stops working at once. You can invite {i.email} again later.
        </ConfirmDialog>
      )}
      {link && <LinkDialog name={i.name} link={link} onClose={() => setLink('')} />}
    </li>
  );
}

/** Asks a person to come; where no e-mail is sent, shows the link once. */
export function InviteDialog({ onClose }: { onClose: () => void }) {
  const own = useQuery(rolesQuery).data?.items;
  const mails = useQuery(invitationsQuery).data?.mails ?? true;
  const [made, setMade] = useState<Invitation | null>(null);
  const send = useAct(async (v: { email: string; name: string; roles: string[] }) => {
    const came = await invite(v);
    if (came.link) setMade(came);
    else onClose();
  }, invitationsQuery.queryKey);
  const form = useForm({
    initialValues: { name: '', email: '', roles: ['auditor'] },
    validate: {
      email: (v) => (/^\S+@\S+$/.test(v.trim()) ? null : 'This is not an e-mail address'),
      name: (v) => (v.trim() ? null : 'Enter a name'),
      roles: (v) => (v.length > 0 ? null : 'Choose at least one'),
    },
  });
  if (made) return <LinkDialog name={made.name} link={made.link} onClose={onClose} />;
  const sensitive = own?.filter((r) => form.values.roles.includes(r.roleId) && r.sensitivity && r.sensitivity !== 'normal') ?? [];
  return (
    <FormDialog title="Invite somebody" submit={mails ? 'Send invitation' : 'Make a link'} pending={send.isPending} error={send.error}
      onSubmit={form.onSubmit((v) => send.mutate({ email: v.email.trim(), name: v.name.trim(), roles: v.roles }))} onClose={onClose}>
      <Text size="sm">
        {mails ? 'The person gets an e-mail with a link and chooses how to sign in.' : 'This server sends no e-mail: you get a link, this once, and hand it over yourself. Whoever has it can sign in as this person.'}
      </Text>
      <TextInput label="Name" autoComplete="off" maxLength={100} data-autofocus {...form.getInputProps('name')} />
      <TextInput label="E-mail" type="email" autoComplete="off" {...form.getInputProps('email')} />
      <MultiSelect label="Roles" data={own?.map((r) => ({ value: r.roleId, label: r.name })) ?? roles} {...form.getInputProps('roles')} />
      {sensitive.length > 0 && (
        <Text size="sm" c="dimmed">
          {sensitive.map((r) => r.name).join(', ')}: where somebody else has to approve this, it is asked for in your name when the person has come.
        </Text>
      )}
    </FormDialog>
  );
}

function LinkDialog({ name, link, onClose }: { name: string; link: string; onClose: () => void }) {
  return (
    <SecretDialog title="Hand over this link" values={[{ label: `For ${name}`, value: link }]} onClose={onClose}>
      It is shown this once. Give it to nobody but {name}: it lets whoever has it choose the password.
    </SecretDialog>
  );
}
