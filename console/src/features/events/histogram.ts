import type { Stats } from '../../api/schemas';
import type { Range } from './filter';

/** The histogram's arithmetic: where bars and ticks stand. Times are milliseconds since 1970. */

export interface Bar {
  start: number;
  end: number;
  count: number;
  failures: number;
}

const unit: Record<string, number> = { second: 1e3, minute: 60e3, hour: 3600e3, day: 86400e3, week: 7 * 86400e3, month: 30.44 * 86400e3 };

/** How long a bucket is; months and days with a clock change are taken from where the next one starts. */
function widthOf(bucket: string, starts: readonly number[]): number {
  const named = unit[bucket];
  if (named) return named;
  let least = Infinity;
  for (let i = 1; i < starts.length; i++) least = Math.min(least, (starts[i] as number) - (starts[i - 1] as number));
  return Number.isFinite(least) ? least : 3600e3;
}

export function barsOf(stats: Stats): Bar[] {
  const list = stats.buckets.map((b) => ({ ...b, at: Date.parse(b.start) })).filter((b) => !Number.isNaN(b.at)).sort((a, b) => a.at - b.at);
  const width = widthOf(stats.bucket, list.map((b) => b.at));
  return list.map((b, i) => {
    const next = list[i + 1]?.at ?? Infinity;
    // A day of 23 or 25 hours and a month of 28 or 31 days end where the next begins, when the next is there.
    const end = next - b.at < width * 1.1 ? next : b.at + width;
    return { start: b.at, end, count: b.count, failures: b.failures };
  });
}

/** The stretch of time that the axis shows. */
export function domainOf(bars: readonly Bar[], range: Range, now: number): [number, number] {
  const from = range.from ?? bars[0]?.start ?? now - 3600e3;
  const to = range.to ?? Math.max(now, bars[bars.length - 1]?.end ?? now);
  return to > from ? [from, to] : [from, from + 60e3];
}

/** The smallest pleasant number at or above n: 1, 2, 5 times a power of ten. */
export function niceMax(n: number): number {
  if (n <= 4) return Math.max(1, n);
  const power = 10 ** Math.floor(Math.log10(n));
  for (const m of [1, 1.5, 2, 3, 4, 5, 6, 8, 10]) if (m * power >= n) return m * power;
  return 10 * power;
}

const tickSteps = [
  60e3, 5 * 60e3, 15 * 60e3, 30 * 60e3, 3600e3, 3 * 3600e3, 6 * 3600e3, 12 * 3600e3, 86400e3, 2 * 86400e3, 7 * 86400e3, 14 * 86400e3, 30.44 * 86400e3,
  91.3 * 86400e3, 182.6 * 86400e3, 365.25 * 86400e3,
];

/** Ticks at round moments, as many as fit; the offset (ms east of UTC) makes them round in the reader's zone. */
export function ticksOf([from, to]: [number, number], fit: number, offset: number): { times: number[]; step: number } {
  const wanted = (to - from) / Math.max(1, fit);
  const step = tickSteps.find((s) => s >= wanted) ?? (tickSteps[tickSteps.length - 1] as number);
  const times: number[] = [];
  if (step >= 28 * 86400e3) {
    const months = Math.max(1, Math.round(step / (30.44 * 86400e3)));
    const first = new Date(from + offset);
    let month = first.getUTCFullYear() * 12 + first.getUTCMonth();
    month = Math.ceil(month / months) * months;
    for (; times.length < 100; month += months) {
      const t = Date.UTC(Math.floor(month / 12), month % 12, 1) - offset;
      if (t > to) break;
      if (t >= from) times.push(t);
    }
    return { times, step };
  }
  for (let t = Math.ceil((from + offset) / step) * step - offset; t <= to && times.length < 100; t += step) times.push(t);
  return { times, step };
}

/** How far a zone is east of UTC at a moment, in milliseconds. */
export function zoneOffset(zone: string, at: number): number {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone: zone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric',
  }).formatToParts(at);
  const n = (type: string): number => Number(parts.find((p) => p.type === type)?.value ?? 0);
  return Date.UTC(n('year'), n('month') - 1, n('day'), n('hour'), n('minute'), n('second')) - Math.floor(at / 1000) * 1000;
}
