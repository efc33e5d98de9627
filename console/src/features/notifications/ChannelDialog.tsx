import { MultiSelect, PasswordInput, SegmentedControl, Select, TagsInput, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import type { UseFormReturnType } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import type { Channel } from '../../api/schemas';
import { FormDialog, SecretDialog } from '../../ui/dialogs';
import { useAct } from '../../ui/useAct';
import { changeChannel, channelKinds, createChannel, kindsQuery } from './api';

interface Fields {
  name: string;
  kind: string;
  topics: string[];
  way: string;
  url: string;
  token: string;
  channel: string;
  routing_key: string;
  region: string;
  recipients: string[];
}

/** The settings that a kind of channel needs, null when none were entered. */
function settingsOf(v: Fields): Record<string, unknown> | null {
  if (v.kind === 'email') return v.recipients.length > 0 ? { recipients: v.recipients } : null;
  if (v.kind === 'pagerduty') return v.routing_key ? { routing_key: v.routing_key.trim(), region: v.region } : null;
  if (v.kind === 'slack' && v.way === 'bot') return v.token || v.channel ? { token: v.token.trim(), channel: v.channel.trim() } : null;
  return v.url ? { url: v.url.trim() } : null;
}

export function ChannelDialog({ item, onClose }: { item: Channel | null; onClose: () => void }) {
  const topics = useQuery(kindsQuery);
  const form = useForm<Fields>({
    initialValues: { name: item?.name ?? '', kind: item?.kind ?? 'email', topics: item?.topics ?? [], way: 'webhook', url: '', token: '', channel: '', routing_key: '', region: 'us', recipients: [] },
    validate: {
      name: (v) => (v.trim() ? null : 'Say what the channel is for'),
      url: (v, all) => (v === '' || all.kind === 'email' || all.kind === 'pagerduty' || /^https?:\/\/\S+$/.test(v.trim()) ? null : 'An address begins with https://'),
    },
  });
  const save = useAct(
    async (v: Fields) => {
      const settings = settingsOf(v);
      if (!item) return createChannel({ name: v.name.trim(), kind: v.kind, topics: v.topics, settings: settings ?? {} });
      return changeChannel(item.id, { name: v.name.trim(), topics: v.topics, ...(settings ? { settings } : {}) });
    },
    ['notify'],
    (c) => {
      if (!c.secret) onClose();
    },
  );
  if (save.data?.secret) return <KeyDialog item={save.data} onClose={onClose} />;
  const { kind } = form.values;
  const about = channelKinds.find((k) => k.value === kind)?.about;
  return (
    <FormDialog title={item ? `Change “${item.name}”` : 'New channel'} size="lg" submit={item ? 'Save' : 'Set up'} pending={save.isPending} error={save.error} onSubmit={form.onSubmit((v) => save.mutate(v))} onClose={onClose}>
      <TextInput label="Name" description="Who hears it" placeholder="On call, operations" maxLength={100} data-autofocus {...form.getInputProps('name')} />
      {!item && <Select label="Kind" description={about} data={channelKinds.map(({ value, label }) => ({ value, label }))} allowDeselect={false} {...form.getInputProps('kind')} />}
      <MultiSelect
        label="Topics" description="None stands for all" placeholder={form.values.topics.length === 0 ? 'Everything' : ''} clearable
        data={[...(topics.data?.items ?? []).map((k) => ({ value: k.name, label: k.label })), ...form.values.topics.filter((t) => t.includes('*')).map((t) => ({ value: t, label: t }))]}
        {...form.getInputProps('topics')}
      />
      {item && (
        <Text size="sm" c="dimmed">
          It leads to {item.target}. Leave what follows empty to keep it so.
        </Text>
      )}
      <Where form={form} />
    </FormDialog>
  );
}

function Where({ form }: { form: Pick<UseFormReturnType<Fields>, 'values' | 'getInputProps'> }) {
  const { kind, way } = form.values;
  if (kind === 'email') return <TagsInput label="Recipients" description="Addresses, each ended with Enter" placeholder="ops@example.com" splitChars={[',', ' ', ';']} {...form.getInputProps('recipients')} />;
  if (kind === 'pagerduty')
    return (
      <>
        <PasswordInput label="Integration key" description="Of an Events API v2 integration: 32 letters and digits" autoComplete="off" {...form.getInputProps('routing_key')} />
        <Select label="Service region" data={[{ value: 'us', label: 'United States' }, { value: 'eu', label: 'Europe' }]} allowDeselect={false} {...form.getInputProps('region')} />
      </>
    );
  if (kind === 'slack')
    return (
      <>
        <SegmentedControl aria-label="How Slack is reached" data={[{ value: 'webhook', label: 'Incoming webhook' }, { value: 'bot', label: 'Bot token' }]} {...form.getInputProps('way')} />
        {way === 'bot' ? (
          <>
            <PasswordInput label="Bot token" description="It needs the scope chat:write" placeholder="xoxb-…" autoComplete="off" {...form.getInputProps('token')} />
            <TextInput label="Channel" placeholder="#alerts or C024BE91L" {...form.getInputProps('channel')} />
          </>
        ) : (
          <PasswordInput label="Webhook address" placeholder="https://hooks.slack.com/services/…" autoComplete="off" {...form.getInputProps('url')} />
        )}
      </>
    );
  return <PasswordInput label="Webhook address" description="It is kept secret like a password" placeholder="https://…" autoComplete="off" {...form.getInputProps('url')} />;
}

/** Shows the secret of a webhook, this once. */
export function KeyDialog({ item, rotated = false, onClose }: { item: Channel; rotated?: boolean; onClose: () => void }) {
  const values = [{ label: 'Signing secret', value: item.secret }, ...(item.public_keys[0] ? [{ label: 'Public key', value: item.public_keys[0] }] : [])];
  return (
    <SecretDialog title="Keep this secret" values={values} onClose={onClose}>
      The secret is shown this once. The receiver needs it, or the public key, to tell our requests from forged ones.
      {rotated && ' The previous key signs along for a day.'}
    </SecretDialog>
  );
}
