import { describe, expect, it } from 'vitest';
import { parseSearch, stringifySearch } from '../../routes/search';
import { filterOf, isNarrowed, parseEventSearch, resolveRange, toQuery } from './filter';
import { barsOf, domainOf, niceMax, ticksOf, zoneOffset } from './histogram';
import { deltaOf, diffLeaves, diffText } from './diff';
import { Num } from '../../api/json';
import { momentIn, wallIn } from './CustomRange';
import { widen } from './Toolbar';

const day = 86400e3;

describe('the address', () => {
  it('is plain and reads back', () => {
    const filter = parseEventSearch(parseSearch('?range=24h&actor=handle:123&actor=a@b.example&action=invoice.*&text=50%25+off&event=9'));
    expect(filter).toEqual({ range: '24h', actor: ['handle:123', 'a@b.example'], action: ['invoice.*'], text: '50% off', event: '9' });
    expect(parseEventSearch(parseSearch(stringifySearch(filter as Record<string, unknown>)))).toEqual(filter);
    expect(stringifySearch(filter as Record<string, unknown>)).toContain('actor=handle:123&actor=a@b.example');
  });

  it('drops what it does not know', () => {
    expect(parseEventSearch(parseSearch('?range=99y&from=yesterday&colour=red&order=desc&time=now&actor='))).toEqual({});
  });

  it('keeps values with the signs of a query apart', () => {
    for (const text of ['a&b=c', '#x?', 'a+b', '%', '💡', '<script>', "'; --"]) {
      expect(parseSearch(stringifySearch({ text }))).toEqual({ text });
    }
  });
});

describe('filters', () => {
  it('count presets back from now and take ends as they are', () => {
    const now = Date.UTC(2026, 10, 21);
    expect(resolveRange({ range: '24h' }, now)).toEqual({ from: now - day, to: null });
    expect(resolveRange({}, now)).toEqual({ from: now - 7 * day, to: null });
    expect(resolveRange({ range: 'all' }, now)).toEqual({ from: null, to: null });
    expect(resolveRange({ range: '24h', to: '2026-01-01T00:00:00Z' }, now)).toEqual({ from: null, to: Date.UTC(2026, 0, 1) });
  });

  it('speak the API’s names', () => {
    const query = toQuery({ actor: ['handle:1'], outcome: ['failure'], text: 'x' }, { from: 0, to: null });
    expect(query).toMatchObject({ from: '1970-01-01T00:00:00.000Z', to: undefined, time: 'occurred', actor: ['handle:1'], outcome: ['failure'], text: 'x' });
    expect(isNarrowed({ range: '24h' })).toBe(false);
    expect(isNarrowed({ ip: ['::1'] })).toBe(true);
    expect(filterOf({ event: '3', text: 'a' })).toEqual({ text: 'a' });
  });

  it('read wall clocks in a zone, across a change of clocks', () => {
    expect(momentIn('Europe/Berlin', '2026-07-01T12:00')).toBe('2026-07-01T10:00:00.000Z');
    expect(momentIn('Europe/Berlin', '2026-12-01T12:00:30')).toBe('2026-12-01T11:00:30.000Z');
    expect(wallIn('America/New_York', '2026-07-01T10:00:00Z')).toBe('2026-07-01T06:00:00');
    expect(momentIn('UTC', 'soon')).toBeNull();
  });

  it('zoom out around the middle, not beyond now', () => {
    expect(widen(10 * day, 12 * day, 100 * day)).toMatchObject({ from: new Date(8 * day).toISOString(), to: new Date(14 * day).toISOString() });
    expect(widen(10 * day, 12 * day, 12.5 * day).to).toBe(new Date(12.5 * day).toISOString());
  });
});

describe('histogram', () => {
  const stats = (bucket: string, starts: string[]) => ({
    bucket, total: starts.length, buckets: starts.map((start) => ({ start, count: 1, failures: 0 })), actions: [], actors: [], outcomes: [], resource_types: [], partial: false, counted_from: null,
  });

  it('lets days with a clock change end where the next begins', () => {
    const bars = barsOf(stats('day', ['2026-03-28T23:00:00Z', '2026-03-29T22:00:00Z', '2026-04-05T22:00:00Z']));
    expect(bars.map((b) => (b.end - b.start) / 3600e3)).toEqual([23, 24, 24]);
  });

  it('shows open ends up to now and never an empty stretch', () => {
    const bars = barsOf(stats('hour', ['2026-01-01T00:00:00Z']));
    const now = Date.parse('2026-01-01T05:30:00Z');
    expect(domainOf(bars, { from: null, to: null }, now)).toEqual([Date.parse('2026-01-01T00:00:00Z'), now]);
    const [a, b] = domainOf([], { from: 5, to: 5 }, 5);
    expect(b).toBeGreaterThan(a);
  });

  it('has round ticks in the reader’s zone', () => {
    const from = Date.parse('2026-11-20T10:13:00Z');
    const offset = zoneOffset('Asia/Kolkata', from);
    expect(offset).toBe(5.5 * 3600e3);
    const { times } = ticksOf([from, from + day], 8, offset);
    expect(times.length).toBeGreaterThan(3);
    for (const t of times) expect((t + offset) % (3 * 3600e3)).toBe(0);
    const year = ticksOf([from, from + 400 * day], 6, 0);
    expect(year.times.every((t) => new Date(t).getUTCDate() === 1)).toBe(true);
    expect(niceMax(97)).toBe(100);
    expect(niceMax(1234)).toBe(1500);
  });
});

describe('diff', () => {
  it('marks the words that changed', () => {
    const { before, after } = diffText('status was paid in full', 'status was shipped in full');
    expect(before.filter((p) => p.changed).map((p) => p.text)).toEqual(['paid']);
    expect(after.filter((p) => p.changed).map((p) => p.text)).toEqual(['shipped']);
  });

  it('always gives back both texts whole', () => {
    const samples = ['', 'a', 'a b', 'b a', 'über 1,5 €', 'x'.repeat(3000), 'a b c '.repeat(400), 'c b a '.repeat(400), '👩‍👩‍👧 ok'];
    for (const a of samples) {
      for (const b of samples) {
        const d = diffText(a, b);
        expect(d.before.map((p) => p.text).join('')).toBe(a);
        expect(d.after.map((p) => p.text).join('')).toBe(b);
      }
    }
  });

  it('tells null, empty and absent apart inside objects', () => {
    const { lines, same } = diffLeaves({ a: null, b: '', c: [1, 2], d: new Num('1.10') }, { a: '', c: [1, 3], d: new Num('1.1') });
    expect(same).toBe(1);
    expect(lines).toEqual([
      { path: 'a', before: 'null', after: '""' },
      { path: 'b', before: '""', after: null },
      { path: 'c.1', before: '2', after: '3' },
      { path: 'd', before: '1.10', after: '1.1' },
    ]);
  });

  it('says by how much a number changed, when it can', () => {
    expect(deltaOf(10, 12.5)).toBe('+2.5 (+25 %)');
    expect(deltaOf(0, 3)).toBe('+3');
    expect(deltaOf(0.3, 0.1)).toBe('−0.2 (−66.7 %)');
    expect(deltaOf(new Num('12345678901234567890'), 1)).toBe('');
  });
});
