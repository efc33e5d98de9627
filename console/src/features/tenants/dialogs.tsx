import { NumberInput, Text, TextInput, Textarea } from '@mantine/core';
import { useForm } from '@mantine/form';
import type { Tenant } from '../../api/schemas';
import { FormDialog } from '../../ui/dialogs';
import { useAct } from '../../ui/useAct';
import { changeTenant, createTenant, giveUpTenant, tenantsKey } from './api';
import type { Change } from './api';

const needed = (what: string) => (v: string) => (v.trim() ? null : what);

export interface Founded {
  tenant: Tenant;
  email: string;
  password: string;
}

export function CreateDialog({ onClose, onMade }: { onClose: () => void; onMade: (f: Founded) => void }) {
  const form = useForm({
    initialValues: { name: '', email: '', person: '' },
    validate: { name: needed('Give it a name'), email: (v) => (v.includes('@') ? null : 'Give an e-mail address'), person: needed('Say who it is') },
  });
  const make = useAct(createTenant, tenantsKey, (out) => onMade({ tenant: out.tenant, email: form.values.email.trim(), password: out.admin_password }));
  return (
    <FormDialog title="New tenant" submit="Make it" pending={make.isPending} error={make.error}
      onSubmit={form.onSubmit((v) => make.mutate({ name: v.name.trim(), admin_email: v.email.trim(), admin_name: v.person.trim() }))} onClose={onClose}>
      <Text size="sm">It gets a log of its own, which nobody of another tenant can read, you included.</Text>
      <TextInput label="Name" maxLength={100} data-autofocus {...form.getInputProps('name')} />
      <TextInput label="First administrator" maxLength={100} {...form.getInputProps('person')} />
      <TextInput label="Administrator's e-mail" type="email" maxLength={254} {...form.getInputProps('email')} />
    </FormDialog>
  );
}

const words: Record<Change, { title: (name: string) => string; submit: string; text: string }> = {
  suspend: {
    title: (name) => `Suspend ${name}?`, submit: 'Suspend',
    text: 'Its people and applications are shut out within a second, on every server. Deliveries, schedules and exports pause. Its log is kept, sealed and signed as before.',
  },
  resume: { title: (name) => `Let ${name} go on?`, submit: 'Resume', text: 'Its people and applications can go on, and so does what has waited.' },
  'take-back': { title: (name) => `Keep ${name}?`, submit: 'Keep it', text: 'It is not deleted. It stays suspended until you let it go on.' },
};

export function ChangeDialog({ tenant, what, onClose }: { tenant: Tenant; what: Change; onClose: () => void }) {
  const form = useForm({ initialValues: { reason: '' }, validate: { reason: needed('Say why') } });
  const change = useAct(changeTenant, tenantsKey, onClose);
  const w = words[what];
  return (
    <FormDialog title={w.title(tenant.name)} submit={w.submit} grave={what === 'suspend'} pending={change.isPending} error={change.error}
      onSubmit={form.onSubmit((v) => change.mutate({ id: tenant.id, what, reason: v.reason.trim() }))} onClose={onClose}>
      <Text size="sm">{w.text}</Text>
      <Textarea label="Reason" description="Its own log records it too" maxLength={500} autosize minRows={2} data-autofocus {...form.getInputProps('reason')} />
    </FormDialog>
  );
}

export function GiveUpDialog({ tenant, onClose }: { tenant: Tenant; onClose: () => void }) {
  const form = useForm({
    initialValues: { confirm: '', reason: '', days: 30 },
    validate: { confirm: (v) => (v === tenant.name ? null : 'This is not its name'), reason: needed('Say why') },
  });
  const give = useAct(giveUpTenant, tenantsKey, onClose);
  return (
    <FormDialog title={`Give ${tenant.name} up?`} submit="Give it up" grave pending={give.isPending} error={give.error}
      onSubmit={form.onSubmit((v) => give.mutate({ id: tenant.id, confirm: v.confirm, reason: v.reason.trim(), grace_days: v.days }))} onClose={onClose}>
      <Text size="sm">
        It is suspended at once. When its days are over, what people can read is deleted and the keys of its persons are destroyed, in every copy. Its evidence stays, without personal data, and can be verified. Until then you can
        take it back.
      </Text>
      <NumberInput label="Days" min={1} max={365} clampBehavior="strict" {...form.getInputProps('days')} />
      <Textarea label="Reason" description="Its own log records it too" maxLength={500} autosize minRows={2} {...form.getInputProps('reason')} />
      <TextInput label={`Type its name, ${tenant.name}`} autoComplete="off" {...form.getInputProps('confirm')} />
    </FormDialog>
  );
}
