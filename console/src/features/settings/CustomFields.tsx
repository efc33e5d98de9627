import { Badge, Checkbox, Group, Select, TagsInput, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { CustomField } from '../../api/schemas';
import { ConfirmDialog, FormDialog } from '../../ui/dialogs';
import { ListHead, NewButton, RowAction, RowList } from '../../ui/rows';
import classes from '../../ui/rows.module.css';
import { Empty } from '../../ui/states';
import { useAct } from '../../ui/useAct';
import { addField, changeField, deleteField, fieldsQuery } from './api';

const types = ['string', 'integer', 'number', 'boolean', 'date', 'datetime', 'enum'];
const blank: CustomField = { name: '', type: 'string', required: false, enum: [], pattern: '', category: '', personal: false, searchable: true, description: '' };

export function CustomFields() {
  const fields = useQuery(fieldsQuery);
  const [editing, setEditing] = useState<CustomField | null>(null);
  const [removing, setRemoving] = useState<CustomField | null>(null);
  return (
    <>
      <ListHead lead="Fields of your own under “custom”, checked when an event comes in. Events recorded before stay as they are.">
        <NewButton label="New field" onClick={() => setEditing(blank)} />
      </ListHead>
      <RowList query={fields} label="Custom fields" empty={<Empty title="No custom fields">Events may still carry anything under “data”.</Empty>}>
        {(f) => (
          <li key={f.name} className={classes.row}>
            <div className={classes.what}>
              <Group gap="xs">
                <span className={`${classes.name} mono`}>{f.name}</span>
                <Badge color="gray">{f.type}</Badge>
                {f.required && <Badge color="amber">required</Badge>}
                {f.personal && <Badge color="ember">personal</Badge>}
                {f.searchable && <Badge>searchable</Badge>}
              </Group>
              <div className={classes.note}>{[f.description, f.enum.join(', '), f.pattern && `must match ${f.pattern}`].filter(Boolean).join(' · ')}</div>
            </div>
            <Group gap="xs">
              <RowAction label="Change" name={f.name} onClick={() => setEditing(f)} />
              <RowAction label="Remove" name={f.name} onClick={() => setRemoving(f)} />
            </Group>
          </li>
        )}
      </RowList>
      {editing && <FieldDialog field={editing} onClose={() => setEditing(null)} />}
      {removing && (
        <ConfirmDialog title={`Remove ${removing.name}?`} label="Remove" act={() => deleteField(removing.name)} refresh={fieldsQuery.queryKey} onClose={() => setRemoving(null)}>
          New events are no longer checked for it. Values that were recorded stay where they are.
        </ConfirmDialog>
      )}
    </>
  );
}

function FieldDialog({ field, onClose }: { field: CustomField; onClose: () => void }) {
  const isNew = field.name === '';
  const save = useAct(isNew ? addField : changeField, fieldsQuery.queryKey, onClose);
  const form = useForm({
    initialValues: field,
    validate: {
      name: (v) => (/^[a-z][a-z0-9_]{0,62}$/.test(v) ? null : 'Small letters, digits and _, starting with a letter'),
      enum: (v, all) => (all.type !== 'enum' || v.length > 0 ? null : 'Name the values that are allowed'),
    },
  });
  return (
    <FormDialog title={isNew ? 'New custom field' : `Change ${field.name}`} submit="Save" pending={save.isPending} error={save.error} onSubmit={form.onSubmit((v) => save.mutate(v))} onClose={onClose}>
      <TextInput label="Name" disabled={!isNew} placeholder="cost_centre" data-autofocus {...form.getInputProps('name')} />
      <Select label="Type" data={types} allowDeselect={false} {...form.getInputProps('type')} />
      {form.values.type === 'enum' && <TagsInput label="Allowed values" {...form.getInputProps('enum')} />}
      {form.values.type === 'string' && <TextInput label="Pattern (optional)" description="A regular expression that the whole text must match" {...form.getInputProps('pattern')} />}
      <TextInput label="Description (optional)" {...form.getInputProps('description')} />
      <Checkbox label="Required" description="Events without it are refused" {...form.getInputProps('required', { type: 'checkbox' })} />
      <Checkbox label="Personal" description="Encrypted under the person’s key, masked, erasable" {...form.getInputProps('personal', { type: 'checkbox' })} />
      <Checkbox label="Searchable" {...form.getInputProps('searchable', { type: 'checkbox' })} />
    </FormDialog>
  );
}
