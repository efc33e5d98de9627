import { useMemo } from 'react';
import { usePreferences } from './preferences';

/** How times and numbers are written. Times are shown in the reader's chosen zone, always with a hint at which one. */

const formats = new Map<string, Intl.DateTimeFormat>();

function formatter(zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${zone} ${JSON.stringify(options)}`;
  let f = formats.get(key);
  if (!f) {
    f = new Intl.DateTimeFormat('en-GB', { timeZone: zone, ...options });
    formats.set(key, f);
  }
  return f;
}

/** Whether the browser knows a time zone by this name. */
export function knownZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en-GB', { timeZone: zone });
    return zone !== '';
  } catch {
    return false;
  }
}

export function browserZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
}

const day: Intl.DateTimeFormatOptions = { day: '2-digit', month: 'short', year: 'numeric' };
const clock: Intl.DateTimeFormatOptions = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' };

function valid(time: string | number | Date): Date | null {
  const d = new Date(time);
  return Number.isNaN(d.getTime()) || time === '' ? null : d;
}

export function formatDay(time: string | number | Date, zone: string): string {
  const d = valid(time);
  return d ? formatter(zone, day).format(d) : '–';
}

export function formatClock(time: string | number | Date, zone: string, millis = false): string {
  const d = valid(time);
  return d ? formatter(zone, millis ? { ...clock, fractionalSecondDigits: 3 } : clock).format(d) : '–';
}

export function formatTime(time: string | number | Date, zone: string): string {
  const d = valid(time);
  return d ? `${formatDay(d, zone)}, ${formatClock(d, zone)}` : '–';
}

/** With the zone's abbreviation, for places where a time stands alone. */
export function formatTimeLong(time: string | number | Date, zone: string): string {
  const d = valid(time);
  if (!d) return '–';
  const name = formatter(zone, { timeZoneName: 'short' }).formatToParts(d).find((p) => p.type === 'timeZoneName')?.value ?? '';
  return `${formatDay(d, zone)}, ${formatClock(d, zone, true)} ${name}`;
}

const steps: [number, Intl.RelativeTimeFormatUnit][] = [[60, 'second'], [3600, 'minute'], [86400, 'hour'], [86400 * 30, 'day'], [86400 * 365, 'month'], [Infinity, 'year']];
const sizes: Record<string, number> = { second: 1, minute: 60, hour: 3600, day: 86400, month: 86400 * 30.44, year: 86400 * 365.25 };
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

export function formatAgo(time: string | number | Date, now = Date.now()): string {
  const d = valid(time);
  if (!d) return 'never';
  const s = (d.getTime() - now) / 1000;
  const [, unit] = steps.find(([limit]) => Math.abs(s) < limit) ?? [0, 'year' as const];
  return relative.format(Math.round(s / (sizes[unit] ?? 1)), unit);
}

const whole = new Intl.NumberFormat('en');
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

export function formatNumber(n: number): string {
  return whole.format(n);
}

export function formatCompact(n: number): string {
  return n < 10000 ? whole.format(n) : compact.format(n);
}

/** Counts with their noun: "1 event", "2 events". */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${formatNumber(n)} ${n === 1 ? one : many}`;
}

export function formatBytes(n: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let i = 0;
  let v = n;
  while (v >= 1024 && i < units.length - 1) {
    v /= 1024;
    i++;
  }
  return `${i === 0 ? v : v.toFixed(v < 10 ? 1 : 0)} ${units[i]}`;
}

export function formatDuration(seconds: number): string {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

/** "user.contact_email" and "service_account" as words. */
export function words(key: string): string {
  const s = key.replace(/[_-]+/g, ' ');
  return s.charAt(0).toUpperCase() + s.slice(1);
}

/** The formats in the reader's zone. */
export function useTimes() {
  const { zone } = usePreferences();
  return useMemo(
    () => ({
      zone,
      day: (t: string | number | Date) => formatDay(t, zone),
      clock: (t: string | number | Date, millis = false) => formatClock(t, zone, millis),
      time: (t: string | number | Date) => formatTime(t, zone),
      long: (t: string | number | Date) => formatTimeLong(t, zone),
    }),
    [zone],
  );
}
