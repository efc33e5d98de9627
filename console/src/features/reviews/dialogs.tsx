import { Checkbox, MultiSelect, NumberInput, Select, Stack, Text, TextInput, Textarea } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import type { ReviewInfo, ReviewItem } from '../../api/schemas';
import { FormDialog } from '../../ui/dialogs';
import { plural } from '../../ui/format';
import { Failure } from '../../ui/states';
import { useAct } from '../../ui/useAct';
import { rolesQuery } from '../access/api';
import { usersQuery } from '../settings/api';
import { closeReview, createReview, decideItems, ownersQuery, reviewsKey, setOwner } from './api';

const scopes = [
  { value: 'all', label: 'Everything that anybody has' },
  { value: 'sensitivity', label: 'What is sensitive' },
  { value: 'role', label: 'One role' },
  { value: 'part', label: 'A data set or type of resource' },
];

/** Begins a review; onClose is told the id of the one that was made. */
export function NewReviewDialog({ onClose }: { onClose: (made?: string) => void }) {
  const roles = useQuery(rolesQuery).data?.items ?? [];
  const users = useQuery(usersQuery).data?.items ?? [];
  const form = useForm({
    initialValues: { name: '', kind: 'all', value: '', by: 'owners', reviewers: [] as string[], days: 14, repeat_months: 3, remind_days: 7, auto_revoke: false },
    validate: {
      name: (v) => (v.trim() ? null : 'Give it a name'),
      value: (v, all) => (all.kind === 'all' || v.trim() ? null : 'Say which'),
      reviewers: (v, all) => (all.by === 'owners' || v.length > 0 ? null : 'Name somebody'),
    },
  });
  const make = useAct(createReview, reviewsKey, (r) => onClose(r.id));
  const { kind, by } = form.values;
  return (
    <FormDialog title="Begin a review" submit="Begin" size="lg" pending={make.isPending} error={make.error} onClose={() => onClose()}
      onSubmit={form.onSubmit((v) =>
        make.mutate({ name: v.name.trim(), scope: { kind: v.kind, ...(v.kind === 'all' ? {} : { value: v.value.trim() }) }, by: v.by, ...(v.by === 'named' ? { reviewers: v.reviewers } : {}), days: v.days, repeat_months: v.repeat_months, remind_days: v.remind_days, auto_revoke: v.auto_revoke }),
      )}>
      <TextInput label="Name" placeholder="Quarterly review" maxLength={120} data-autofocus {...form.getInputProps('name')} />
      <Select label="What it is about" data={scopes} allowDeselect={false} {...form.getInputProps('kind')} onChange={(v) => form.setValues({ kind: v ?? 'all', value: v === 'sensitivity' ? 'high' : '' })} />
      {kind === 'sensitivity' && <Select label="Sensitivity" allowDeselect={false} data={[{ value: 'high', label: 'High or administrative' }, { value: 'admin', label: 'Administrative only' }]} {...form.getInputProps('value')} />}
      {kind === 'role' && <Select label="Role" searchable data={roles.map((r) => ({ value: r.roleId, label: r.name }))} {...form.getInputProps('value')} />}
      {kind === 'part' && <TextInput label="Part" placeholder="dataset:billing or resource_type:order" {...form.getInputProps('value')} />}
      <Select label="Who reviews" allowDeselect={false} data={[{ value: 'owners', label: 'The owner of each role' }, { value: 'named', label: 'People named here' }]}
        description={by === 'owners' ? 'Keys, and roles that nobody owns, fall to you.' : 'Nobody gets to review what he has himself.'} {...form.getInputProps('by')} />
      {by === 'named' && <MultiSelect label="Reviewers" searchable maxValues={50} data={users.filter((u) => !u.locked_at).map((u) => ({ value: u.id, label: u.name ? `${u.name} (${u.email})` : u.email }))} {...form.getInputProps('reviewers')} />}
      <NumberInput label="Days to decide" min={1} max={180} clampBehavior="strict" {...form.getInputProps('days')} />
      <NumberInput label="Again after months" description="0 for never" min={0} max={24} clampBehavior="strict" {...form.getInputProps('repeat_months')} />
      <NumberInput label="Remind every so many days" description="By e-mail, whoever still has something to decide; 0 for only at the start" min={0} max={90} clampBehavior="strict" {...form.getInputProps('remind_days')} />
      <Checkbox label="Revoke what nobody has decided on in time" {...form.getInputProps('auto_revoke', { type: 'checkbox' })} />
    </FormDialog>
  );
}

interface DecideProps {
  id: string;
  items: ReviewItem[];
  revoke: boolean;
  onDone: (elsewhere: string[]) => void;
  onClose: () => void;
}

/** Asks for the reason; says what will end, and where else it has to be ended. */
export function DecideDialog({ id, items, revoke, onDone, onClose }: DecideProps) {
  const form = useForm({ initialValues: { reason: '' }, validate: { reason: (v) => (v.trim() ? null : 'Say why: it is part of the evidence') } });
  const send = useAct(decideItems, reviewsKey, (out) => onDone(out.items.map((i) => i.elsewhere).filter((e) => revoke && e !== '')));
  const first = items[0];
  return (
    <FormDialog title={revoke ? 'Revoke this?' : items.length > 1 ? `Confirm ${plural(items.length, 'item')}?` : 'Confirm this?'} submit={revoke ? 'Revoke' : 'Confirm'} grave={revoke} pending={send.isPending} error={send.error} onClose={onClose}
      onSubmit={form.onSubmit((v) => send.mutate({ id, items: items.map((i) => i.id), decision: revoke ? 'revoke' : 'confirm', reason: v.reason.trim().replaceAll(/\s+/g, ' ') }))}>
      <ul style={{ margin: 0, paddingLeft: '1.1rem', maxHeight: '14rem', overflowY: 'auto' }} tabIndex={items.length > 6 ? 0 : undefined} aria-label="What is decided">
        {items.map((i) => (
          <li key={i.id}>
            <Text size="sm">
              <strong>{i.user_name || i.user_id || 'The system'}</strong>: {i.what}
            </Text>
          </li>
        ))}
      </ul>
      {revoke && <Text size="sm">It ends at once.{first?.elsewhere && ` It also comes from ${first.elsewhere}: end it there too.`}</Text>}
      <Textarea label="Reason" description="One reason for the record; others read it as evidence" maxLength={1000} autosize minRows={2} data-autofocus {...form.getInputProps('reason')} />
    </FormDialog>
  );
}

export function CloseDialog({ r, onClose }: { r: ReviewInfo; onClose: () => void }) {
  const form = useForm({ initialValues: { leave: false }, validate: { leave: (v) => (v || r.counts.waiting === 0 ? null : 'Some items wait for a decision') } });
  const close = useAct(closeReview, reviewsKey, onClose);
  return (
    <FormDialog title="Close this review?" submit="Close the review" pending={close.isPending} error={close.error} onClose={onClose} onSubmit={form.onSubmit((v) => close.mutate({ id: r.id, leave: v.leave }))}>
      <Text size="sm">From then on nothing of it changes. What was decided is kept as evidence, and its SHA-256 is recorded in the log.</Text>
      {r.counts.waiting > 0 && <Checkbox label={`Leave ${plural(r.counts.waiting, 'item')} undecided`} {...form.getInputProps('leave', { type: 'checkbox' })} />}
    </FormDialog>
  );
}

/** Who answers for each role. */
export function OwnersDialog({ onClose }: { onClose: () => void }) {
  const roles = useQuery(rolesQuery);
  const users = useQuery(usersQuery).data?.items ?? [];
  const owners = useQuery(ownersQuery);
  const set = useAct(setOwner, reviewsKey);
  const error = roles.error ?? owners.error ?? set.error;
  const people = users.map((u) => ({ value: u.id, label: u.name ? `${u.name} (${u.email})` : u.email }));
  return (
    <FormDialog title="Owners of roles" submit="Done" cancel="Close" size="lg" pending={set.isPending} error={null} onSubmit={onClose} onClose={onClose}>
      <Text size="sm">Reviews that go to owners ask this person who should have the role. A change is saved at once.</Text>
      {error ? <Failure error={error} /> : null}
      <Stack gap="xs">
        {(roles.data?.items ?? []).map((r) => (
          <Select key={r.roleId} label={r.name} placeholder="Nobody" clearable searchable data={people} value={owners.data?.owners[r.roleId] ?? null} onChange={(v) => set.mutate({ role: r.roleId, user: v ?? '' })} />
        ))}
      </Stack>
    </FormDialog>
  );
}
