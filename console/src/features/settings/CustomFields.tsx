import { Badge, Button, Checkbox, Group, Modal, Select, Stack, TagsInput, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { CustomField } from '../../api/schemas';
import { IconPlus } from '../../ui/icons';
import { Empty, Failure, Loading } from '../../ui/states';
import { addField, changeField, deleteField, fieldsQuery } from './api';
import classes from './Settings.module.css';

const types = ['string', 'integer', 'number', 'boolean', 'date', 'datetime', 'enum'];
const blank: CustomField = { name: '', type: 'string', required: false, enum: [], pattern: '', category: '', personal: false, searchable: true, description: '' };

export function CustomFields() {
  const { data, error, isPending, refetch } = useQuery(fieldsQuery);
  const [editing, setEditing] = useState<CustomField | null>(null);
  const [removing, setRemoving] = useState<CustomField | null>(null);
  return (
    <>
      <div className={classes.head}>
        <p className={classes.lead}>Fields of your own under “custom”, checked when an event comes in. Events recorded before stay as they are.</p>
        <Button size="xs" leftSection={<IconPlus size={15} />} onClick={() => setEditing(blank)}>
          New field
        </Button>
      </div>
      {error && !data && <Failure error={error} onRetry={() => void refetch()} />}
      {isPending && !error && <Loading />}
      {data && (
        <div className="panel">
          {data.items.length === 0 && <Empty title="No custom fields">Events may still carry anything under “data”.</Empty>}
          <ul className={classes.rows}>
            {data.items.map((f) => (
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
                  <Button size="xs" variant="default" onClick={() => setEditing(f)} aria-label={`Change ${f.name}`}>
                    Change
                  </Button>
                  <Button size="xs" variant="default" onClick={() => setRemoving(f)} aria-label={`Remove ${f.name}`}>
                    Remove
                  </Button>
                </Group>
              </li>
            ))}
          </ul>
        </div>
      )}
      {editing && <FieldDialog field={editing} onClose={() => setEditing(null)} />}
      {removing && <RemoveDialog field={removing} onClose={() => setRemoving(null)} />}
    </>
  );
}

function FieldDialog({ field, onClose }: { field: CustomField; onClose: () => void }) {
  const queries = useQueryClient();
  const isNew = field.name === '';
  const save = useMutation({
    mutationFn: isNew ? addField : changeField,
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: fieldsQuery.queryKey });
      onClose();
    },
  });
  const form = useForm({
    initialValues: field,
    validate: {
      name: (v) => (/^[a-z][a-z0-9_]{0,62}$/.test(v) ? null : 'Small letters, digits and _, starting with a letter'),
      enum: (v, all) => (all.type !== 'enum' || v.length > 0 ? null : 'Name the values that are allowed'),
    },
  });
  return (
    <Modal opened onClose={onClose} title={isNew ? 'New custom field' : `Change ${field.name}`}>
      <form onSubmit={form.onSubmit((v) => save.mutate(v))} noValidate>
        <Stack>
          <TextInput label="Name" disabled={!isNew} placeholder="cost_centre" data-autofocus {...form.getInputProps('name')} />
          <Select label="Type" data={types} allowDeselect={false} {...form.getInputProps('type')} />
          {form.values.type === 'enum' && <TagsInput label="Allowed values" {...form.getInputProps('enum')} />}
          {form.values.type === 'string' && <TextInput label="Pattern (optional)" description="A regular expression that the whole text must match" {...form.getInputProps('pattern')} />}
          <TextInput label="Description (optional)" {...form.getInputProps('description')} />
          <Checkbox label="Required" description="Events without it are refused" {...form.getInputProps('required', { type: 'checkbox' })} />
          <Checkbox label="Personal" description="Encrypted under the person’s key, masked, erasable" {...form.getInputProps('personal', { type: 'checkbox' })} />
          <Checkbox label="Searchable" {...form.getInputProps('searchable', { type: 'checkbox' })} />
          {save.error && <Failure error={save.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={save.isPending}>
              Save
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

function RemoveDialog({ field, onClose }: { field: CustomField; onClose: () => void }) {
  const queries = useQueryClient();
  const remove = useMutation({
    mutationFn: () => deleteField(field.name),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: fieldsQuery.queryKey });
      onClose();
    },
  });
  return (
    <Modal opened onClose={onClose} title={`Remove ${field.name}?`}>
      <Stack>
        <Text size="sm">New events are no longer checked for it. Values that were recorded stay where they are.</Text>
        {remove.error && <Failure error={remove.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Keep it
          </Button>
          <Button color="ember" loading={remove.isPending} onClick={() => remove.mutate()}>
            Remove
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
