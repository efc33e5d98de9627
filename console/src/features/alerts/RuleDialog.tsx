import { Alert, Button, MultiSelect, NumberInput, SegmentedControl, Select, SimpleGrid, TagsInput, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation, useQuery } from '@tanstack/react-query';
import type { AlertRule } from '../../api/schemas';
import { FormDialog } from '../../ui/dialogs';
import { plural, useTimes } from '../../ui/format';
import { Failure } from '../../ui/states';
import { TextLink } from '../../ui/TextLink';
import { useAct } from '../../ui/useAct';
import { channelsQuery } from '../notifications/api';
import { createRule, groups, previewRule, replaceRule, severities } from './api';
import type { Condition, RuleDraft } from './api';

interface Fields {
  name: string;
  action: string[];
  outcome: string[];
  actor: string[];
  resource: string[];
  source: string[];
  ip: string[];
  text: string;
  way: 'threshold' | 'every';
  more_than: number | string;
  minutes: number | string;
  group_by: string;
  cool: number | string;
  severity: string;
  channels: string[];
}

const lists = ['action', 'outcome', 'actor', 'resource', 'source', 'ip'] as const;

function initial(item: AlertRule | null): Fields {
  const of = (name: string) => item?.filter[name] ?? [];
  return {
    name: item?.name ?? '', action: of('action'), outcome: item ? of('outcome') : ['denied'], actor: of('actor'), resource: of('resource'), source: of('source'), ip: of('ip'), text: of('text')[0] ?? '',
    way: item && !item.threshold ? 'every' : 'threshold', more_than: item?.threshold?.more_than ?? 20, minutes: (item?.threshold?.window_seconds ?? 300) / 60, group_by: item?.threshold?.group_by ?? 'actor',
    cool: (item?.cool_down_seconds ?? 300) / 60, severity: item?.severity ?? 'warning', channels: item?.channels ?? [],
  };
}

/** What the form says, with those members of the filter that it has no field for. */
function conditionOf(v: Fields, item: AlertRule | null): Condition {
  const filter: Record<string, string[]> = {};
  for (const [name, values] of Object.entries(item?.filter ?? {})) if (name !== 'text' && !lists.some((l) => l === name)) filter[name] = values;
  for (const name of lists) if (v[name].length > 0) filter[name] = v[name];
  if (v.text.trim()) filter['text'] = [v.text.trim()];
  return {
    filter, cool_down_seconds: Math.round(Number(v.cool) * 60),
    ...(v.way === 'threshold' ? { threshold: { more_than: Number(v.more_than), window_seconds: Math.round(Number(v.minutes) * 60), group_by: v.group_by } } : {}),
  };
}

const between = (low: number, high: number, text: string) => (v: number | string) => (v !== '' && Number(v) >= low && Number(v) <= high ? null : text);

export function RuleDialog({ item, onClose }: { item: AlertRule | null; onClose: () => void }) {
  const channels = useQuery(channelsQuery);
  const form = useForm<Fields>({
    initialValues: initial(item),
    validate: {
      name: (v) => (v.trim() ? null : 'Say what the rule is for'),
      more_than: (v, all) => (all.way === 'every' ? null : between(0, 10_000, 'From 0 to 10,000')(v)),
      minutes: (v, all) => (all.way === 'every' ? null : between(1 / 60, 1440, 'From a second to a day')(v)),
      cool: between(0, 10_080, 'From 0 to 10,080'),
    },
  });
  const save = useAct(
    (v: Fields) => {
      const draft: RuleDraft = { ...conditionOf(v, item), name: v.name.trim(), severity: v.severity, channels: v.channels, enabled: item?.enabled ?? true };
      return item ? replaceRule(item.id, draft) : createRule(draft);
    },
    ['alerts'],
    onClose,
  );
  const v = form.values;
  return (
    <FormDialog title={item ? `Change “${item.name}”` : 'New rule'} size="xl" submit={item ? 'Save' : 'Watch for it'} pending={save.isPending} error={save.error} onSubmit={form.onSubmit((values) => save.mutate(values))} onClose={onClose}>
      <TextInput label="Name" description="Notifications carry it, so it should name nobody" placeholder="Many denied attempts" maxLength={100} data-autofocus {...form.getInputProps('name')} />
      <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm">
        <TagsInput label="Action" description="Such as login or invoice.*, each ended with Enter" splitChars={[',', ' ']} {...form.getInputProps('action')} />
        <MultiSelect label="Outcome" description="None stands for all" data={['success', 'failure', 'denied']} clearable {...form.getInputProps('outcome')} />
        <TagsInput label="Actor" description="Id, e-mail, name or handle:N" {...form.getInputProps('actor')} />
        <TagsInput label="Resource" description="type, or type/id" {...form.getInputProps('resource')} />
        <TagsInput label="Source" description="The application" splitChars={[',', ' ']} {...form.getInputProps('source')} />
        <TagsInput label="IP address" description="From where" splitChars={[',', ' ']} {...form.getInputProps('ip')} />
      </SimpleGrid>
      <TextInput label="Text" description="Occurs in a value, as somebody finds it who sees personal values masked" {...form.getInputProps('text')} />
      <SegmentedControl aria-label="When it fires" data={[{ value: 'threshold', label: 'When there are too many' }, { value: 'every', label: 'On every matching event' }]} {...form.getInputProps('way')} />
      {v.way === 'threshold' && (
        <SimpleGrid cols={{ base: 1, sm: 3 }} spacing="sm">
          <NumberInput label="More than" min={0} max={10_000} allowDecimal={false} {...form.getInputProps('more_than')} />
          <Select label="Counted" data={groups.map((g) => ({ ...g }))} allowDeselect={false} {...form.getInputProps('group_by')} />
          <NumberInput label="Within minutes" min={0} max={1440} {...form.getInputProps('minutes')} />
        </SimpleGrid>
      )}
      <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm">
        <NumberInput label="Cool-down in minutes" description="So long it must be over before it fires again" min={0} max={10_080} {...form.getInputProps('cool')} />
        <Select label="Severity" description="Channels can choose by it" data={severities.map(({ value, label }) => ({ value, label }))} allowDeselect={false} {...form.getInputProps('severity')} />
      </SimpleGrid>
      <MultiSelect
        label="Channels" description="None stands for every channel whose topics take it" clearable data={(channels.data?.items ?? []).map((c) => ({ value: c.id, label: c.name }))} {...form.getInputProps('channels')}
      />
      <Preview condition={() => (form.validate().hasErrors ? null : conditionOf(form.values, item))} stale={JSON.stringify(conditionOf(v, item))} />
      {item && item.open > 0 && (
        <Text size="sm" c="dimmed">
          A changed condition ends the open alerts of the rule.
        </Text>
      )}
    </FormDialog>
  );
}

function Preview({ condition, stale }: { condition: () => Condition | null; stale: string }) {
  const times = useTimes();
  const run = useMutation({ mutationFn: async (c: Condition) => ({ of: JSON.stringify(c), result: await previewRule(c) }) });
  const p = run.data?.of === stale ? run.data.result : null;
  return (
    <div>
      <Button
        size="xs" variant="default" loading={run.isPending}
        onClick={() => {
          const c = condition();
          if (c) run.mutate(c);
        }}
      >
        Preview
      </Button>
      <div role="status">
        {p && (
          <Alert mt="sm" color={p.alerts > 0 ? 'amber' : 'pine'}>
            <Text size="sm">
              {p.alerts === 0 ? 'It would not have fired' : `It would have fired ${p.alerts === 1 ? 'once' : `${p.alerts} times`}`} {p.partial ? `from ${times.time(p.from)} to ${times.time(p.until)}, as far as there was time to look` : 'in the last 7 days'}; the filter
              selects {plural(p.matches, 'event')}.
            </Text>
            {p.problem && <Text size="sm">{p.problem}</Text>}
            {p.newest.slice(0, 5).map((a) => (
              <Text key={a.first_seq} size="sm">
                {times.time(a.fired_at)}
                {a.group && `, ${a.group}`}:{' '}
                <TextLink to="/events/$seq" params={{ seq: String(a.first_seq) }} target="_blank">
                  event {a.first_seq}
                </TextLink>
              </Text>
            ))}
          </Alert>
        )}
      </div>
      {run.error && <Failure error={run.error} />}
    </div>
  );
}
