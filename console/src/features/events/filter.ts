import type { Query } from '../../api/client';
import { many, one } from '../../routes/search';

/** What the audit log shows, exactly as the URL names it. The names are the API's own. */
export interface EventFilter {
  /** A preset such as 24h; ignored when from or to is given. */
  range?: string;
  from?: string;
  to?: string;
  /** Which time from and to bound; when it happened, unless said otherwise. */
  time?: 'recorded';
  actor?: string[];
  action?: string[];
  resource?: string[];
  subject?: string[];
  outcome?: string[];
  source?: string[];
  ip?: string[];
  category?: string[];
  activity?: string[];
  severity?: string[];
  correlation_id?: string;
  text?: string;
  order?: 'asc';
}

/** The audit log's search parameters: the filter, and the event whose drawer is open. */
export interface EventSearch extends EventFilter {
  event?: string;
}

export const listKeys = ['actor', 'action', 'resource', 'subject', 'outcome', 'source', 'ip', 'category', 'activity', 'severity'] as const;
export type ListKey = (typeof listKeys)[number];

export const presets = [
  { key: '15m', label: 'Last 15 minutes', short: '15 min', ms: 15 * 60e3 },
  { key: '1h', label: 'Last hour', short: '1 h', ms: 3600e3 },
  { key: '24h', label: 'Last 24 hours', short: '24 h', ms: 86400e3 },
  { key: '7d', label: 'Last 7 days', short: '7 days', ms: 7 * 86400e3 },
  { key: '30d', label: 'Last 30 days', short: '30 days', ms: 30 * 86400e3 },
  { key: '90d', label: 'Last 90 days', short: '90 days', ms: 90 * 86400e3 },
  { key: 'all', label: 'All time', short: 'All time', ms: Infinity },
] as const;
export const defaultRange = '7d';

export function parseEventSearch(raw: Record<string, unknown>): EventSearch {
  const out: EventSearch = {};
  for (const key of listKeys) {
    const values = many(raw[key]);
    if (values) out[key] = values;
  }
  for (const key of ['from', 'to'] as const) {
    const v = one(raw[key]);
    if (v && !Number.isNaN(Date.parse(v))) out[key] = v;
  }
  const range = one(raw['range']);
  if (range && presets.some((p) => p.key === range) && range !== defaultRange) out.range = range;
  if (one(raw['time']) === 'recorded') out.time = 'recorded';
  if (one(raw['order']) === 'asc') out.order = 'asc';
  const correlation = one(raw['correlation_id']);
  if (correlation) out.correlation_id = correlation;
  const text = one(raw['text']);
  if (text) out.text = text;
  const event = one(raw['event']);
  if (event) out.event = event;
  return out;
}

export function filterOf({ event: _event, ...filter }: EventSearch): EventFilter {
  return filter;
}

/** A filter in which these members are set anew; undefined takes one away. */
export type FilterChange = { [K in keyof EventFilter]?: EventFilter[K] | undefined };

/** An absolute stretch of time; an end that is null is open. */
export interface Range {
  from: number | null;
  to: number | null;
}

/** The stretch of time that a filter names, with presets counted back from now. */
export function resolveRange(filter: EventFilter, now: number): Range {
  if (filter.from || filter.to) {
    return { from: filter.from ? Date.parse(filter.from) : null, to: filter.to ? Date.parse(filter.to) : null };
  }
  const preset = presets.find((p) => p.key === (filter.range ?? defaultRange));
  return { from: preset && Number.isFinite(preset.ms) ? now - preset.ms : null, to: null };
}

export function isPreset(filter: EventFilter): boolean {
  return !filter.from && !filter.to;
}

const iso = (ms: number | null): string | undefined => (ms === null ? undefined : new Date(ms).toISOString());

/** The filter as the API's query parameters. */
export function toQuery(filter: EventFilter, range: Range): Query {
  return {
    from: iso(range.from),
    to: iso(range.to),
    time: filter.time ?? 'occurred',
    ...Object.fromEntries(listKeys.map((k) => [k, filter[k]])),
    correlation_id: filter.correlation_id,
    text: filter.text,
  };
}

/** Whether anything but the time narrows the view. */
export function isNarrowed(filter: EventFilter): boolean {
  return listKeys.some((k) => filter[k]?.length) || Boolean(filter.text || filter.correlation_id);
}
