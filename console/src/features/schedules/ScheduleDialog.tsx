import { Autocomplete, Checkbox, NativeSelect, TagsInput, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useDebouncedValue } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import type { Schedule, Timing } from '../../api/schemas';
import { FormDialog } from '../../ui/dialogs';
import { useTimes } from '../../ui/format';
import { useAct } from '../../ui/useAct';
import { trouble } from '../../api/problems';
import { formats } from '../exports/api';
import { periods, previewTiming, repeats, saveSchedule, schedulesQuery, triggers, weekdays } from './api';
import classes from './Schedules.module.css';

interface Fields {
  name: string;
  format: string;
  period: string;
  every: string;
  at: string;
  weekday: string;
  day: string;
  cron: string;
  event: string;
  zone: string;
  missed: string;
  mail: boolean;
  action: string[];
  actor: string[];
  resource: string[];
  outcome: string;
}

const zones = typeof Intl.supportedValuesOf === 'function' ? ['UTC', ...Intl.supportedValuesOf('timeZone')] : ['UTC'];

function strings(v: unknown): string[] {
  return Array.isArray(v) ? v.filter((x): x is string => typeof x === 'string') : [];
}

function fieldsOf(item: Schedule | null): Fields {
  const d = item?.definition;
  return {
    name: d?.name ?? '', format: d?.format ?? 'csv', period: d?.period ?? 'previous_month', every: d?.timing.every ?? 'month', at: d?.timing.at || '06:00', weekday: String(d?.timing.weekday || 1),
    day: String(d?.timing.day || 1), cron: d?.timing.cron ?? '', event: d?.timing.event || 'verification.failed', zone: d?.timing.time_zone || Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC', missed: d?.missed || 'run', mail: d?.mail ?? false,
    action: strings(d?.filter['action']), actor: strings(d?.filter['actor']), resource: strings(d?.filter['resource']), outcome: strings(d?.filter['outcome'])[0] ?? '',
  };
}

function timingOf(v: Fields): Partial<Timing> {
  const clock = { every: v.every, at: v.at, time_zone: v.zone.trim() };
  switch (v.every) {
    case 'day':
      return clock;
    case 'week':
      return { ...clock, weekday: Number(v.weekday) };
    case 'month':
      return { ...clock, day: Number(v.day) };
    case 'cron':
      return { every: 'cron', cron: v.cron.trim(), time_zone: v.zone.trim() };
    default:
      return { every: 'event', event: v.event, time_zone: v.zone.trim() };
  }
}

/** The filter: what the form knows is replaced, what it does not know of an existing schedule stays. */
function filterOf(v: Fields, before: Record<string, unknown>): Record<string, unknown> {
  const filter = { ...before };
  for (const [name, values] of Object.entries({ action: v.action, actor: v.actor, resource: v.resource, outcome: v.outcome ? [v.outcome] : [] })) {
    if (values.length > 0) filter[name] = values;
    else delete filter[name];
  }
  return filter;
}

export function ScheduleDialog({ item, onClose }: { item: Schedule | null; onClose: () => void }) {
  const form = useForm<Fields>({ initialValues: fieldsOf(item), validate: { name: (v) => (v.trim() ? null : 'Give it a name'), cron: (v, all) => (all.every !== 'cron' || v.trim() ? null : 'Enter a cron line') } });
  const save = useAct(
    (v: Fields) =>
      saveSchedule(item?.id ?? null, { name: v.name.trim(), format: v.format, period: v.period, timing: timingOf(v), missed: v.missed, mail: v.mail, filter: filterOf(v, item?.definition.filter ?? {}) }),
    schedulesQuery.queryKey,
    onClose,
  );
  const { every } = form.values;
  const tags = { splitChars: [',', ' '], clearable: true };
  return (
    <FormDialog title={item ? `Change “${item.definition.name}”` : 'New schedule'} size="lg" submit={item ? 'Save' : 'Set up'} pending={save.isPending} error={save.error} onSubmit={form.onSubmit((v) => save.mutate(v))} onClose={onClose}>
      <TextInput label="Name" description="It heads PDF reports" maxLength={100} data-autofocus {...form.getInputProps('name')} />
      <div className={classes.pair}>
        <NativeSelect label="Format" data={formats.map((f) => ({ value: f.key, label: f.label }))} {...form.getInputProps('format')} />
        <NativeSelect label="Period" data={periods} {...form.getInputProps('period')} />
        <NativeSelect label="Repeats" data={repeats} {...form.getInputProps('every')} />
        {every === 'week' && <NativeSelect label="Day of the week" data={weekdays} {...form.getInputProps('weekday')} />}
        {every === 'month' && (
          <NativeSelect label="Day of the month" description="In shorter months, the last" data={Array.from({ length: 31 }, (_, i) => String(i + 1))} {...form.getInputProps('day')} />
        )}
        {every === 'event' && <NativeSelect label="What it waits for" data={triggers} {...form.getInputProps('event')} />}
        {every === 'cron' && <TextInput label="Cron line" description="Minute, hour, day, month, day of week" placeholder="30 6 * * 1-5" {...form.getInputProps('cron')} />}
        {(every === 'day' || every === 'week' || every === 'month') && <TextInput label="Time of day" type="time" {...form.getInputProps('at')} />}
        {every !== 'event' && <Autocomplete label="Time zone" placeholder="Europe/Vienna" data={zones} limit={8} {...form.getInputProps('zone')} />}
        {every !== 'event' && (
          <NativeSelect
            label="When it was missed" data={[{ value: 'run', label: 'Make one export afterwards' }, { value: 'skip', label: 'Leave it out' }]} {...form.getInputProps('missed')}
          />
        )}
      </div>
      {every !== 'event' && <Preview timing={timingOf(form.values)} />}
      <Text size="sm" fw={600}>
        Only events with
      </Text>
      <div className={classes.pair}>
        <TagsInput label="Actions" placeholder="invoice.*" {...tags} {...form.getInputProps('action')} />
        <TagsInput label="Actors" placeholder="ana@example.com" {...tags} {...form.getInputProps('actor')} />
        <TagsInput label="Resources" placeholder="invoice/42" {...tags} {...form.getInputProps('resource')} />
        <NativeSelect label="Outcome" data={[{ value: '', label: 'Any' }, 'success', 'failure', 'denied']} {...form.getInputProps('outcome')} />
      </div>
      <Checkbox label="E-mail me a link when it is ready" {...form.getInputProps('mail', { type: 'checkbox' })} />
    </FormDialog>
  );
}

/** When a timing would be due, as the server reckons it. */
function Preview({ timing }: { timing: Partial<Timing> }) {
  const times = useTimes();
  const [asked] = useDebouncedValue(JSON.stringify(timing), 300);
  const incomplete = timing.every === 'cron' && !timing.cron;
  const { data, error } = useQuery({ queryKey: ['schedules', 'preview', asked], queryFn: ({ signal }) => previewTiming(JSON.parse(asked) as Partial<Timing>, signal), retry: false, enabled: !incomplete, placeholderData: (before) => before });
  return (
    <Text size="sm" c="dimmed" role="status">
      {incomplete ? 'The next times appear here.' : error ? <span className={classes.failed}>{trouble(error).detail || trouble(error).title}</span> : `Next, by your clock: ${(data?.times ?? []).slice(0, 3).map((t) => times.time(t)).join(' · ')}`}
    </Text>
  );
}
