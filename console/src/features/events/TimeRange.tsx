import { Button, Popover, Select, Stack, Text, TextInput, UnstyledButton } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { Suspense, lazy, useMemo, useState } from 'react';
import { IconClock, IconDown } from '../../ui/icons';
import { useTimes } from '../../ui/format';
import { defaultRange, isPreset, presets } from './filter';
import type { EventFilter, FilterChange } from './filter';
import classes from './Filters.module.css';

const CustomRange = lazy(() => import('./CustomRange'));

interface Props {
  filter: EventFilter;
  onChange: (change: FilterChange) => void;
}

/** What the button says: a preset's name, or both ends. */
function useRangeLabel(filter: EventFilter): string {
  const times = useTimes();
  if (isPreset(filter)) return presets.find((p) => p.key === (filter.range ?? defaultRange))?.label ?? '';
  const from = filter.from ? times.time(filter.from) : 'the beginning';
  const to = filter.to ? times.time(filter.to) : 'now';
  return `${from} – ${to}`;
}

export function TimeRange({ filter, onChange }: Props) {
  const [open, { toggle, close }] = useDisclosure(false);
  const label = useRangeLabel(filter);
  const [fresh, setFresh] = useState(0);
  const current = isPreset(filter) ? (filter.range ?? defaultRange) : '';
  return (
    <Popover opened={open} onChange={(o) => !o && close()} position="bottom-start" width={340} trapFocus>
      <Popover.Target>
        <Button
          variant="default" leftSection={<IconClock size={16} />} rightSection={<IconDown size={14} />} aria-label={`Time range: ${label}`}
          onClick={() => {
            setFresh((n) => n + 1);
            toggle();
          }}
          className={classes.range ?? ''}
        >
          {label}
        </Button>
      </Popover.Target>
      <Popover.Dropdown p="sm">
        <Stack gap="sm">
          <div className={classes.presets}>
            {presets.map((p) => (
              <UnstyledButton
                key={p.key} className={classes.preset ?? ''} data-active={p.key === current || undefined} aria-pressed={p.key === current}
                onClick={() => {
                  onChange({ range: p.key, from: undefined, to: undefined });
                  close();
                }}
              >
                {p.short}
              </UnstyledButton>
            ))}
          </div>
          <Suspense fallback={null}>
            <CustomRange
              key={fresh} filter={filter}
              onApply={(range) => {
                onChange(range);
                close();
              }}
            />
          </Suspense>
          <Select
            size="xs" label="Time means" allowDeselect={false} value={filter.time ?? 'occurred'} comboboxProps={{ withinPortal: false }}
            data={[{ value: 'occurred', label: 'when it happened, as the application says' }, { value: 'recorded', label: 'when the ledger recorded it' }]}
            onChange={(v) => onChange({ time: v === 'recorded' ? 'recorded' : undefined })}
          />
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}

/** One end of a custom range, as the browser's own date and time input. */
export function MomentInput({ label, value, onChange, error }: { label: string; value: string; onChange: (v: string) => void; error?: string | null }) {
  return <TextInput size="xs" type="datetime-local" step={1} label={label} value={value} onChange={(e) => onChange(e.currentTarget.value)} error={error} />;
}

export function ZoneNote({ zone }: { zone: string }) {
  const offset = useMemo(() => {
    const part = new Intl.DateTimeFormat('en-GB', { timeZone: zone, timeZoneName: 'longOffset' }).formatToParts(Date.now()).find((p) => p.type === 'timeZoneName');
    return part?.value ?? '';
  }, [zone]);
  return (
    <Text size="xs" c="dimmed">
      Times are in {zone} ({offset}).
    </Text>
  );
}
