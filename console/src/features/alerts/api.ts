import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { request } from '../../api/client';
import { alertRuleSchema, alertRulesSchema, alertSchema, alertsSchema, previewSchema, statsSchema } from '../../api/schemas';
import type { AlertRule } from '../../api/schemas';


export const severities = [
  { value: 'info', label: 'Info', colour: 'gray' },
  { value: 'warning', label: 'Warning', colour: 'amber' },
  { value: 'error', label: 'Error', colour: 'ember' },
  { value: 'critical', label: 'Critical', colour: 'ember' },
] as const;

export const severityColour = (s: string) => severities.find((x) => x.value === s)?.colour ?? 'gray';

export const groups = [
  { value: 'actor', label: 'by one actor' },
  { value: 'resource', label: 'about one resource' },
  { value: 'address', label: 'from one IP address' },
  { value: 'none', label: 'in all' },
] as const;

const groupWords = (by: string) => groups.find((g) => g.value === by)?.label ?? '';

/** A stretch of time in whole units where it is one: 300 seconds are 5 min. */
export function spanWords(seconds: number): string {
  if (seconds > 0 && seconds % 3600 === 0) return `${seconds / 3600} h`;
  if (seconds > 0 && seconds % 60 === 0) return `${seconds / 60} min`;
  return `${seconds} s`;
}

/** What a rule looks for, as a sentence. */
export function conditionWords(r: Pick<AlertRule, 'threshold'>): string {
  const t = r.threshold;
  if (!t) return 'Every matching event';
  return `More than ${t.more_than} ${groupWords(t.group_by)} within ${spanWords(t.window_seconds)}`;
}

/** The members of a filter, one text each. */
export function filterWords(filter: Record<string, string[]>): string[] {
  const list = Object.entries(filter).map(([name, values]) => `${name}: ${values.join(' or ')}`);
  return list.length > 0 ? list : ['all events'];
}

export const rulesQuery = queryOptions({
  queryKey: ['alerts', 'rules'], queryFn: ({ signal }) => request('GET', '/api/alert-rules', { schema: alertRulesSchema, signal }), staleTime: 0, refetchInterval: 15_000,
});

/** Alerts, newest first, fifty a page; of one state when asked. */
export const alertsQuery = (state: string) =>
  infiniteQueryOptions({
    queryKey: ['alerts', 'list', state],
    queryFn: ({ signal, pageParam }) => request('GET', '/api/alerts', { query: { limit: 50, state: state || null, cursor: pageParam || null }, schema: alertsSchema, signal }),
    initialPageParam: '',
    getNextPageParam: (page) => page.next_cursor || undefined,
    staleTime: 0,
    refetchInterval: 10_000,
  });

export const newestQuery = queryOptions({
  queryKey: ['alerts', 'newest'], queryFn: ({ signal }) => request('GET', '/api/alerts', { query: { limit: 6 }, schema: alertsSchema, signal }), staleTime: 0, refetchInterval: 5_000,
});

export const alertQuery = (id: string) =>
  queryOptions({ queryKey: ['alerts', 'one', id], queryFn: ({ signal }) => request('GET', `/api/alerts/${encodeURIComponent(id)}`, { schema: alertSchema, signal }), staleTime: 0 });

/** What happened in the last quarter of an hour. */
export const recentQuery = queryOptions({
  queryKey: ['alerts', 'recent'],
  queryFn: ({ signal }) => request('GET', '/api/stats', { query: { from: new Date(Date.now() - 900_000).toISOString(), time: 'recorded', bucket: 'minute' }, schema: statsSchema, signal }),
  staleTime: 0,
  refetchInterval: 5_000,
});

export interface Condition {
  filter: Record<string, string[]>;
  threshold?: { more_than: number; window_seconds: number; group_by: string };
  cool_down_seconds: number;
}

export interface RuleDraft extends Condition {
  name: string;
  severity: string;
  channels: string[];
  enabled: boolean;
}

const path = (id: string) => `/api/alert-rules/${encodeURIComponent(id)}`;

export const draftOf = (r: AlertRule): RuleDraft => ({
  name: r.name, filter: r.filter, cool_down_seconds: r.cool_down_seconds, severity: r.severity, channels: r.channels, enabled: r.enabled, ...(r.threshold ? { threshold: r.threshold } : {}),
});
export const createRule = (draft: RuleDraft) => request('POST', '/api/alert-rules', { body: draft, schema: alertRuleSchema });
export const replaceRule = (id: string, draft: RuleDraft) => request('PUT', path(id), { body: draft, schema: alertRuleSchema });
export const muteRule = (id: string, until: string | null) => request('POST', `${path(id)}/mute`, { body: until ? { until } : {}, schema: alertRuleSchema });
export const deleteRule = (id: string) => request('DELETE', path(id));
export const previewRule = (condition: Condition) => request('POST', '/api/alert-rules/preview', { body: { ...condition, days: 7 }, schema: previewSchema });
export const acknowledge = (id: string, note: string) => request('POST', `/api/alerts/${encodeURIComponent(id)}/acknowledge`, { body: { note }, schema: alertSchema });
