import { Badge, Checkbox, Group, NumberInput, TagsInput, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { FeatureFlag } from '../../api/schemas';
import { ConfirmDialog, FormDialog } from '../../ui/dialogs';
import { formatAgo, useTimes } from '../../ui/format';
import { ListHead, NewButton, RowAction, RowList, RowProblem } from '../../ui/rows';
import classes from '../../ui/rows.module.css';
import { Empty } from '../../ui/states';
import { useAct } from '../../ui/useAct';
import { flagsQuery, removeFlag, saveFlag } from './switches';

const blank: FeatureFlag = { name: '', description: '', owner: '', default: false, roles: [], percentage: 0, killed: false, expires_at: '', changed_at: '' };

const ended = (f: FeatureFlag) => f.expires_at !== '' && Date.parse(f.expires_at) <= Date.now();

/** Who has the feature, in a sentence. */
function reach(f: FeatureFlag): string {
  if (f.killed) return 'Off for everybody';
  const rest = f.default ? 'on' : 'off';
  if (ended(f)) return `Ended: ${rest} for everybody`;
  if (f.percentage === 0) return `Nobody selected: ${rest} for everybody`;
  const whom = f.roles.length > 0 ? `users who are ${f.roles.join(' or ')}` : 'users';
  const share = f.percentage === 100 ? `all ${whom}` : `${f.percentage} % of the ${whom}`;
  return f.percentage === 100 && f.roles.length === 0 ? 'On for everybody' : `On for ${share}, ${rest} for the others`;
}

export function FeatureFlags() {
  const flags = useQuery(flagsQuery);
  const [editing, setEditing] = useState<FeatureFlag | null>(null);
  const [removing, setRemoving] = useState<FeatureFlag | null>(null);
  return (
    <>
      <ListHead lead="Switches that your applications ask for with POST /api/flags/evaluate. A user who is selected stays selected while the share grows.">
        <NewButton label="New flag" onClick={() => setEditing(blank)} />
      </ListHead>
      <RowList query={flags} label="Feature flags" empty={<Empty title="No flags yet">Make one for each feature that not everybody has.</Empty>}>
        {(f) => <FlagRow key={f.name} flag={f} onChange={() => setEditing(f)} onRemove={() => setRemoving(f)} />}
      </RowList>
      {editing && <FlagDialog flag={editing} onClose={() => setEditing(null)} />}
      {removing && (
        <ConfirmDialog title={`Remove ${removing.name}?`} label="Remove" act={() => removeFlag(removing.name)} refresh={flagsQuery.queryKey} onClose={() => setRemoving(null)}>
          Applications that still ask for it are told that it is off.
        </ConfirmDialog>
      )}
    </>
  );
}

function FlagRow({ flag, onChange, onRemove }: { flag: FeatureFlag; onChange: () => void; onRemove: () => void }) {
  const times = useTimes();
  const kill = useAct(saveFlag, flagsQuery.queryKey);
  return (
    <li className={classes.row} data-off={flag.killed || ended(flag) || undefined}>
      <div className={classes.what}>
        <Group gap="xs">
          <span className={`${classes.name} mono`}>{flag.name}</span>
          {flag.killed && <Badge color="ember">killed</Badge>}
          {ended(flag) && <Badge color="gray">ended</Badge>}
        </Group>
        <div>{reach(flag)}</div>
        <div className={classes.note}>
          {[flag.description, flag.owner && `owner ${flag.owner}`, flag.expires_at && !ended(flag) && `ends ${times.day(flag.expires_at)}`, `changed ${formatAgo(flag.changed_at)}`].filter(Boolean).join(' · ')}
        </div>
        <RowProblem error={kill.error} />
      </div>
      <Group gap="xs">
        <RowAction label={flag.killed ? 'Revive' : 'Kill'} name={flag.name} loading={kill.isPending} onClick={() => kill.mutate({ ...flag, killed: !flag.killed })} />
        <RowAction label="Change" name={flag.name} onClick={onChange} />
        <RowAction label="Remove" name={flag.name} onClick={onRemove} />
      </Group>
    </li>
  );
}

function FlagDialog({ flag, onClose }: { flag: FeatureFlag; onClose: () => void }) {
  const isNew = flag.name === '';
  const save = useAct(saveFlag, flagsQuery.queryKey, onClose);
  const form = useForm({
    initialValues: { ...flag, expires_at: flag.expires_at.slice(0, 10) },
    validate: { name: (v) => (/^[a-z][a-z0-9_.-]{0,63}$/.test(v) ? null : 'Small letters, digits and _.-, starting with a letter') },
  });
  const submit = form.onSubmit((v) => save.mutate({ ...v, description: v.description.trim(), owner: v.owner.trim(), expires_at: v.expires_at ? `${v.expires_at}T23:59:59Z` : '' }));
  return (
    <FormDialog title={isNew ? 'New feature flag' : `Change ${flag.name}`} submit="Save" pending={save.isPending} error={save.error} onSubmit={submit} onClose={onClose}>
      <TextInput label="Name" disabled={!isNew} placeholder="scribe.notes" data-autofocus {...form.getInputProps('name')} />
      <TextInput label="Description (optional)" maxLength={500} {...form.getInputProps('description')} />
      <TextInput label="Owner (optional)" description="Who answers for it" maxLength={100} {...form.getInputProps('owner')} />
      <NumberInput label="Share of the users" suffix=" %" min={0} max={100} decimalScale={2} {...form.getInputProps('percentage')} />
      <TagsInput label="Only users with one of these roles (optional)" splitChars={[',', ' ']} {...form.getInputProps('roles')} />
      <Checkbox label="On for those who are not selected" {...form.getInputProps('default', { type: 'checkbox' })} />
      <TextInput label="Ends after (optional)" description="From then on everybody has what is set for those who are not selected" type="date" {...form.getInputProps('expires_at')} />
    </FormDialog>
  );
}
