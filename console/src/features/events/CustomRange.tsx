import { Button, Select, Stack } from '@mantine/core';
import dayjs from 'dayjs';
import timezone from 'dayjs/plugin/timezone';
import utc from 'dayjs/plugin/utc';
import { useMemo, useState } from 'react';
import { usePreferences } from '../../ui/preferences';
import { zoneNames } from '../shell/ZoneDialog';
import { MomentInput, ZoneNote } from './TimeRange';
import type { EventFilter, FilterChange } from './filter';

dayjs.extend(utc);
dayjs.extend(timezone);

const local = 'YYYY-MM-DDTHH:mm:ss';

/** A wall-clock time in a zone as an exact moment; null when it is not a time. */
export function momentIn(zone: string, wall: string): string | null {
  if (!/^\d{4,}-\d\d-\d\dT\d\d:\d\d(:\d\d)?$/.test(wall)) return null;
  const t = dayjs.tz(wall, zone);
  return t.isValid() ? t.toDate().toISOString() : null;
}

export function wallIn(zone: string, moment: string | undefined): string {
  return moment ? dayjs(moment).tz(zone).format(local) : '';
}

export default function CustomRange({ filter, onApply }: { filter: EventFilter; onApply: (range: FilterChange) => void }) {
  const { zone, set } = usePreferences();
  const [from, setFrom] = useState(() => wallIn(zone, filter.from));
  const [to, setTo] = useState(() => wallIn(zone, filter.to));
  const names = useMemo(() => zoneNames(zone), [zone]);
  const a = from ? momentIn(zone, from) : undefined;
  const b = to ? momentIn(zone, to) : undefined;
  const backwards = Boolean(a && b && a >= b);
  return (
    <form
      onSubmit={(e) => {
        e.preventDefault();
        if (backwards || (!a && !b)) return;
        onApply({ range: undefined, from: a ?? undefined, to: b ?? undefined });
      }}
    >
      <Stack gap={8}>
        <MomentInput label="From" value={from} onChange={setFrom} />
        <MomentInput label="To (not included)" value={to} onChange={setTo} error={backwards ? 'This is before the start' : null} />
        <Select
          size="xs" label="Time zone" data={names} value={zone} searchable limit={60} allowDeselect={false} comboboxProps={{ withinPortal: false }}
          onChange={(v) => {
            if (!v) return;
            // The clock times stay as typed; which moments they are follows the zone.
            set({ zone: v });
          }}
        />
        <ZoneNote zone={zone} />
        <Button type="submit" size="xs" disabled={backwards || (!a && !b)}>
          Use this range
        </Button>
      </Stack>
    </form>
  );
}
