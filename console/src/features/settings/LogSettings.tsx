import { Button, Checkbox, Group, NumberInput, Select, SimpleGrid, Switch } from '@mantine/core';
import { useForm } from '@mantine/form';
import { notifications } from '@mantine/notifications';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import type { Settings } from '../../api/schemas';
import { ListHead } from '../../ui/rows';
import rows from '../../ui/rows.module.css';
import { Failure, Loading } from '../../ui/states';
import { words } from '../../ui/format';
import { formats } from '../exports/api';
import { zoneNames } from '../shell/ZoneDialog';
import { saveSettings, settingsQuery } from './api';
import classes from './Settings.module.css';

const classAbout: Record<string, string> = {
  data: 'Creating, reading, changing and deleting records',
  auth: 'Signing in and out, failed attempts',
  access: 'Roles, permissions and keys',
  config: 'Changes of settings',
  system: 'What machines and jobs do by themselves',
  security: 'Alerts and findings',
  governance: 'Decisions about the log itself; always recorded',
  other: 'Everything else',
};

/** Loads the settings and hands them to a form that is made anew when they change on the server. */
function WithSettings({ children }: { children: (settings: Settings) => ReactNode }) {
  const { data, error, isPending, refetch } = useQuery(settingsQuery);
  if (error && !data) return <Failure error={error} onRetry={() => void refetch()} />;
  if (isPending || !data) return <Loading />;
  return children(data);
}

function useSave() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: saveSettings,
    onSuccess: (saved) => {
      queries.setQueryData(settingsQuery.queryKey, saved);
      notifications.show({ message: 'The settings have been saved.' });
    },
  });
}

export function EventClasses() {
  return <WithSettings>{(s) => <Classes settings={s} />}</WithSettings>;
}

function Classes({ settings }: { settings: Settings }) {
  const save = useSave();
  const names = Object.keys({ ...Object.fromEntries(Object.keys(classAbout).map((k) => [k, true])), ...settings.event_classes });
  return (
    <>
      <ListHead lead="Events of a class that is off are refused with a clear answer, not dropped in silence." />
      {save.error && <Failure error={save.error} />}
      <ul className={`panel ${rows.rows}`}>
        {names.map((name) => {
          const on = name === 'governance' || (settings.event_classes[name] ?? true);
          return (
            <li key={name} className={rows.row} data-middle>
              <div className={rows.what}>
                <div className={rows.name}>{words(name)}</div>
                <div className={rows.note}>{classAbout[name]}</div>
              </div>
              <Switch
                checked={on} disabled={name === 'governance' || save.isPending} aria-label={`Record ${name} events`}
                onChange={(e) => save.mutate({ ...settings, event_classes: { ...settings.event_classes, [name]: e.currentTarget.checked } })}
              />
            </li>
          );
        })}
      </ul>
    </>
  );
}

export function ExportSettings() {
  return <WithSettings>{(s) => <ExportForm key={JSON.stringify(s)} settings={s} />}</WithSettings>;
}

function ExportForm({ settings }: { settings: Settings }) {
  const save = useSave();
  const form = useForm({
    initialValues: settings,
    validate: {
      retention_months: (v) => (v >= 6 && v <= 1200 ? null : 'From 6 to 1200 months'),
      export_formats: (v) => (v.length > 0 ? null : 'Choose one at least'),
    },
  });
  return (
    <form className={`panel ${classes.form}`} onSubmit={form.onSubmit((v) => save.mutate(v))} noValidate>
      <NumberInput
        label="Keep values for" suffix=" months" min={6} max={1200} allowDecimal={false}
        description="Working copies, with personal values, are kept this long. Evidence without personal values stays." {...form.getInputProps('retention_months')}
      />
      <Checkbox.Group label="Formats that may be exported" {...form.getInputProps('export_formats')}>
        <SimpleGrid cols={{ base: 2, sm: 4 }} mt={8} spacing="xs">
          {formats.map((f) => (
            <Checkbox key={f.key} value={f.key} label={f.label} />
          ))}
        </SimpleGrid>
      </Checkbox.Group>
      <Select
        label="Regular export" allowDeselect={false} data={['manual', 'daily', 'weekly', 'monthly'].map((v) => ({ value: v, label: v === 'manual' ? 'Only when somebody asks' : words(v) }))}
        {...form.getInputProps('export_frequency')}
      />
      <Select
        label="Personal values in exports" allowDeselect={false}
        data={[
          { value: 'none', label: 'As the reader’s role sees them' },
          { value: 'pseudonymise', label: 'Pseudonyms in their place' },
          { value: 'drop', label: 'Left out' },
        ]}
        {...form.getInputProps('anonymise_exports')}
      />
      <Select
        label="Time zone of days and months" searchable limit={80} allowDeselect={false} data={zoneNames(settings.timezone || 'UTC')} {...form.getInputProps('timezone')}
      />
      {save.error && <Failure error={save.error} />}
      <Group>
        <Button type="submit" loading={save.isPending} disabled={!form.isDirty()}>
          Save
        </Button>
      </Group>
    </form>
  );
}
