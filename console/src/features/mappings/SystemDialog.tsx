import { Autocomplete, Button, Checkbox, Group, JsonInput, NumberInput, PasswordInput, Select, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import type { SystemInfo } from '../../api/schemas';
import { FormDialog } from '../../ui/dialogs';
import { useAct } from '../../ui/useAct';
import { rolesQuery } from '../access/api';
import { outsideRolesQuery, saveSystem, specExample, systemsKey } from './api';

const kinds = [
  { value: 'medusa', label: 'Medusa v2 (with its feature flag rbac)' },
  { value: 'strapi', label: 'Strapi v5' },
  { value: 'http', label: 'Another JSON API over HTTP' },
];

/** Adds a system, or changes one. */
export function SystemDialog({ system, onClose }: { system: SystemInfo | null; onClose: () => void }) {
  const roles = useQuery(rolesQuery).data?.items ?? [];
  const outside = useQuery({ ...outsideRolesQuery(system?.id ?? ''), enabled: system !== null });
  const form = useForm({
    initialValues: {
      name: system?.name ?? '', kind: system?.kind ?? 'medusa', base: system?.base ?? '', secret: '', spec: JSON.stringify(system?.spec ?? specExample, null, 2), rules: system?.rules ?? [{ role_id: '', outside_role: '' }],
      apply: system?.apply ?? false, every_hours: system?.every_hours ?? 24, per_second: system?.per_second || 5, max_changes: system?.max_changes || 100,
    },
    validate: {
      name: (v) => (v.trim() ? null : 'Give it a name'),
      base: (v) => (/^https?:\/\//.test(v.trim()) ? null : 'Such as https://shop.example.com'),
      secret: (v) => (system || v ? null : 'Give its key or token'),
      spec: (v, all) => (all.kind !== 'http' || isJSON(v) ? null : 'This is not JSON'),
      rules: { role_id: (v) => (v ? null : 'Which role here?'), outside_role: (v) => (v.trim() ? null : 'Which role there?') },
    },
  });
  const save = useAct(saveSystem, systemsKey, onClose);
  const v = form.values;
  const there = (outside.data?.items ?? []).map((r) => ({ value: r.id, label: r.name ? `${r.name} (${r.id})` : r.id }));
  return (
    <FormDialog title={system ? `Edit ${system.name}` : 'Add a system'} submit="Save" size="lg" pending={save.isPending} error={save.error} onClose={onClose}
      onSubmit={form.onSubmit((all) =>
        save.mutate({
          id: system?.id ?? '',
          draft: {
            name: all.name.trim(), kind: all.kind, base: all.base.trim(), rules: all.rules.map((r) => ({ role_id: r.role_id, outside_role: r.outside_role.trim() })), apply: all.apply, every_hours: all.every_hours, per_second: all.per_second, max_changes: all.max_changes,
            ...(all.kind === 'http' ? { spec: JSON.parse(all.spec) as unknown } : {}), ...(all.secret ? { secret: all.secret } : {}),
          },
        }),
      )}>
      <TextInput label="Name" maxLength={100} data-autofocus {...form.getInputProps('name')} />
      <Select label="Kind" allowDeselect={false} data={kinds} {...form.getInputProps('kind')} />
      <TextInput label="Address" placeholder="https://shop.example.com" description="Requests go there and nowhere else" {...form.getInputProps('base')} />
      <PasswordInput label={v.kind === 'medusa' ? 'Secret API key' : v.kind === 'strapi' ? 'Admin token' : 'Secret'} autoComplete="off" description={system ? 'Leave it empty to keep the one there is; it has to be given anew when the address changes' : 'Kept encrypted and never shown'} {...form.getInputProps('secret')} />
      {v.kind === 'http' && <JsonInput label="Requests" description="How to list people and roles, and how to give and take a role; the integrators' guide explains it" autosize minRows={8} maxRows={18} {...form.getInputProps('spec')} />}
      <fieldset style={{ border: 0, padding: 0, margin: 0 }}>
        <Text component="legend" size="sm" fw={600} mb={4}>
          Which role here is which there
        </Text>
        {v.rules.map((_, i) => (
          // The rows have no other identity than their place.
          // eslint-disable-next-line react/no-array-index-key
          <Group key={i} gap="xs" align="flex-start" mb="xs" wrap="nowrap">
            <Select aria-label={`Role here, rule ${i + 1}`} placeholder="Role here" searchable style={{ flex: 1 }} data={roles.map((r) => ({ value: r.roleId, label: r.name }))} {...form.getInputProps(`rules.${i}.role_id`)} />
            <Autocomplete aria-label={`Role there, rule ${i + 1}`} placeholder="Id of the role there" style={{ flex: 1 }} data={there.map((r) => r.value)} renderOption={({ option }) => there.find((r) => r.value === option.value)?.label ?? option.value} {...form.getInputProps(`rules.${i}.outside_role`)} />
            <Button size="sm" variant="default" aria-label={`Remove rule ${i + 1}`} onClick={() => form.removeListItem('rules', i)}>
              ×
            </Button>
          </Group>
        ))}
        <Button size="xs" variant="default" onClick={() => form.insertListItem('rules', { role_id: '', outside_role: '' })}>
          Another rule
        </Button>
        {outside.error && (
          <Text size="xs" c="dimmed" mt={4}>
            The system does not say which roles it has; write their ids.
          </Text>
        )}
      </fieldset>
      <NumberInput label="Compare every so many hours" description="0 for only when asked" min={0} max={720} clampBehavior="strict" {...form.getInputProps('every_hours')} />
      <NumberInput label="Requests a second at most" min={1} max={50} clampBehavior="strict" {...form.getInputProps('per_second')} />
      <Checkbox label="Let runs change roles there" description="Otherwise they only report" {...form.getInputProps('apply', { type: 'checkbox' })} />
      {v.apply && <NumberInput label="Changes in one run at most" description="With more, nothing is changed: a wrong mapping looks just like that" min={1} max={100000} clampBehavior="strict" {...form.getInputProps('max_changes')} />}
    </FormDialog>
  );
}

function isJSON(text: string): boolean {
  try {
    return typeof JSON.parse(text) === 'object';
  } catch {
    return false;
  }
}
