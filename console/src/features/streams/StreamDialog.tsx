import { Checkbox, MultiSelect, NumberInput, PasswordInput, SegmentedControl, Select, SimpleGrid, TagsInput, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import type { UseFormReturnType } from '@mantine/form';
import { FormDialog, SecretDialog } from '../../ui/dialogs';
import { useAct } from '../../ui/useAct';
import { useMay } from '../auth/session';
import { createStream, streamKinds, streamsQuery } from './api';

interface Fields {
  name: string;
  kind: string;
  format: string;
  unmasked: boolean;
  actions: string[];
  sources: string[];
  outcomes: string[];
  begin: string;
  from: number | string;
  url: string;
  token: string;
  host: string;
  port: number | string;
  endpoint: string;
  region: string;
  bucket: string;
  prefix: string;
  access_key: string;
  secret_key: string;
  subject: string;
  username: string;
  password: string;
}

const needs: Record<string, (keyof Fields)[]> = {
  webhook: ['url'], splunk: ['url', 'token'], syslog: ['host', 'port'], s3: ['endpoint', 'region', 'bucket', 'prefix', 'access_key', 'secret_key'], nats: ['url', 'subject', 'username', 'password', 'token'],
};

function settingsOf(v: Fields): Record<string, unknown> {
  const set: Record<string, unknown> = {};
  for (const name of needs[v.kind] ?? []) {
    const value = v[name];
    if (value !== '') set[name] = name === 'port' ? Number(value) : typeof value === 'string' ? value.trim() : value;
  }
  return set;
}

export function StreamDialog({ onClose }: { onClose: () => void }) {
  const unmasked = useMay('ledger.view_unmasked');
  const form = useForm<Fields>({
    initialValues: {
      name: '', kind: 'webhook', format: 'native', unmasked: false, actions: [], sources: [], outcomes: [], begin: 'next', from: 0, url: '', token: '', host: '', port: 6514, endpoint: '', region: '', bucket: '', prefix: '',
      access_key: '', secret_key: '', subject: 'audit.events', username: '', password: '',
    },
    validate: { name: (v) => (v.trim() ? null : 'Say who receives it') },
  });
  const save = useAct(
    (v: Fields) =>
      createStream({
        name: v.name.trim(), kind: v.kind, format: v.format, unmasked: v.unmasked, filter: { actions: v.actions, sources: v.sources, outcomes: v.outcomes }, settings: settingsOf(v),
        ...(v.begin === 'next' ? {} : { from_seq: v.begin === 'all' ? 0 : Number(v.from) }),
      }),
    streamsQuery.queryKey,
    (s) => {
      if (!s.secret) onClose();
    },
  );
  if (save.data?.secret)
    return (
      <SecretDialog title="Keep this secret" values={[{ label: 'Signing secret', value: save.data.secret }]} onClose={onClose}>
        The secret is shown this once. The receiver needs it to tell our requests from forged ones.
      </SecretDialog>
    );
  const v = form.values;
  return (
    <FormDialog title="New stream" size="lg" submit="Set up" pending={save.isPending} error={save.error} onSubmit={form.onSubmit((values) => save.mutate(values))} onClose={onClose}>
      <TextInput label="Name" description="Who receives it" placeholder="SIEM" maxLength={100} data-autofocus {...form.getInputProps('name')} />
      <Select label="Kind" description={streamKinds.find((k) => k.value === v.kind)?.about} data={streamKinds.map(({ value, label }) => ({ value, label }))} allowDeselect={false} {...form.getInputProps('kind')} />
      <Where form={form} />
      <SegmentedControl aria-label="Format" data={[{ value: 'native', label: 'As the API writes events' }, { value: 'ocsf', label: 'OCSF' }]} {...form.getInputProps('format')} />
      <SimpleGrid cols={{ base: 1, sm: 3 }} spacing="sm">
        <TagsInput label="Actions" description="None stands for all" placeholder="login.*" splitChars={[',', ' ']} {...form.getInputProps('actions')} />
        <TagsInput label="Sources" description="None stands for all" splitChars={[',', ' ']} {...form.getInputProps('sources')} />
        <MultiSelect label="Outcomes" description="None stands for all" data={['success', 'failure', 'denied']} clearable {...form.getInputProps('outcomes')} />
      </SimpleGrid>
      <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm">
        <Select label="Begin" data={[{ value: 'next', label: 'With the next event' }, { value: 'all', label: 'With the whole log' }, { value: 'from', label: 'With a certain event' }]} allowDeselect={false} {...form.getInputProps('begin')} />
        {v.begin === 'from' && <NumberInput label="From event" min={0} allowDecimal={false} {...form.getInputProps('from')} />}
      </SimpleGrid>
      {unmasked && <Checkbox label="Send personal values as they are" description="Otherwise they are masked as for an auditor" {...form.getInputProps('unmasked', { type: 'checkbox' })} />}
    </FormDialog>
  );
}

function Where({ form }: { form: Pick<UseFormReturnType<Fields>, 'values' | 'getInputProps'> }) {
  const secret = (label: string, name: keyof Fields, description?: string) => <PasswordInput label={label} description={description} autoComplete="off" {...form.getInputProps(name)} />;
  switch (form.values.kind) {
    case 'splunk':
      return (
        <>
          {secret('Collector address', 'url', 'https://…/services/collector/event')}
          {secret('Token', 'token')}
        </>
      );
    case 'syslog':
      return (
        <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm">
          <TextInput label="Host" {...form.getInputProps('host')} />
          <NumberInput label="Port" min={1} max={65535} allowDecimal={false} {...form.getInputProps('port')} />
        </SimpleGrid>
      );
    case 's3':
      return (
        <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm">
          <TextInput label="Address of the store" placeholder="https://s3.eu-central-1.amazonaws.com" {...form.getInputProps('endpoint')} />
          <TextInput label="Region" placeholder="eu-central-1" {...form.getInputProps('region')} />
          <TextInput label="Bucket" {...form.getInputProps('bucket')} />
          <TextInput label="Prefix" placeholder="audit/" {...form.getInputProps('prefix')} />
          {secret('Access key', 'access_key')}
          {secret('Secret key', 'secret_key')}
        </SimpleGrid>
      );
    case 'nats':
      return (
        <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm">
          <TextInput label="Server" placeholder="tls://nats.example.com:4222" {...form.getInputProps('url')} />
          <TextInput label="Subject" {...form.getInputProps('subject')} />
          <TextInput label="User name" autoComplete="off" {...form.getInputProps('username')} />
          {secret('Password', 'password')}
          {secret('Token', 'token', 'Instead of a user name and password')}
        </SimpleGrid>
      );
  }
  return secret('Webhook address', 'url', 'It is kept secret like a password');
}
