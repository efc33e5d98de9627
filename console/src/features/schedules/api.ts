import { queryOptions } from '@tanstack/react-query';
import { request } from '../../api/client';
import { schedulePreviewSchema, scheduleRunsSchema, scheduleSchema, schedulesSchema } from '../../api/schemas';
import type { Schedule, Timing } from '../../api/schemas';

export const periods = [
  { value: 'previous_day', label: 'The day before' },
  { value: 'previous_week', label: 'The week before, from Monday' },
  { value: 'previous_month', label: 'The month before' },
  { value: 'previous_quarter', label: 'The quarter before' },
  { value: 'previous_year', label: 'The year before' },
  { value: 'since_last', label: 'Since the last run' },
  { value: 'all', label: 'Everything' },
];

export const repeats = [
  { value: 'day', label: 'Every day' },
  { value: 'week', label: 'Every week' },
  { value: 'month', label: 'Every month' },
  { value: 'cron', label: 'By a cron line' },
  { value: 'event', label: 'When something happens' },
];

export const triggers = [
  { value: 'verification.failed', label: 'A verification fails' },
  { value: 'evidence.hold_placed', label: 'A legal hold is placed' },
];

export const weekdays = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'].map((label, i) => ({ value: String(i + 1), label }));

export const schedulesQuery = queryOptions({
  queryKey: ['schedules'],
  queryFn: ({ signal }) => request('GET', '/api/schedules', { schema: schedulesSchema, signal }),
  refetchInterval: 15_000,
  staleTime: 0,
});

export const runsQuery = (id: string) =>
  queryOptions({
    queryKey: ['schedules', id, 'runs'],
    queryFn: ({ signal }) => request('GET', `/api/schedules/${encodeURIComponent(id)}/runs`, { schema: scheduleRunsSchema, signal }),
    refetchInterval: (q) => (q.state.data?.items.some((r) => r.status === 'waiting') ? 1000 : 15_000),
    staleTime: 0,
  });

export type Definition = Omit<Schedule['definition'], 'timing'> & { timing: Partial<Timing> };

export function saveSchedule(id: string | null, body: Definition) {
  return id ? request('PUT', `/api/schedules/${encodeURIComponent(id)}`, { body, schema: scheduleSchema }) : request('POST', '/api/schedules', { body, schema: scheduleSchema });
}

export function previewTiming(timing: Partial<Timing>, signal: AbortSignal) {
  return request('POST', '/api/schedules/preview', { body: { timing }, schema: schedulePreviewSchema, signal });
}

export type ScheduleAction = 'pause' | 'resume' | 'run' | 'delete';

export function act(id: string, action: ScheduleAction) {
  const path = `/api/schedules/${encodeURIComponent(id)}`;
  return action === 'delete' ? request('DELETE', path) : request('POST', `${path}/${action}`);
}

/** When a schedule is due, in words. */
export function describe(t: Timing): string {
  const zone = ` (${t.time_zone})`;
  switch (t.every) {
    case 'day':
      return `Every day at ${t.at}${zone}`;
    case 'week':
      return `Every ${weekdays[t.weekday - 1]?.label ?? 'week'} at ${t.at}${zone}`;
    case 'month':
      return `On day ${t.day} of every month at ${t.at}${zone}`;
    case 'cron':
      return `${t.cron}${zone}`;
    default:
      return `When ${(triggers.find((x) => x.value === t.event)?.label ?? t.event).toLowerCase()}`;
  }
}
