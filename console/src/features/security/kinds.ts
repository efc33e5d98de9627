import { one } from '../../routes/search';
import { parseEventSearch } from '../events/filter';
import type { EventFilter, EventSearch } from '../events/filter';

/** What the security log shows of the whole log, each a search that the API understands as well. */
export const kinds = [
  { key: 'all', label: 'Everything', filter: { activity: ['login', 'logout', 'delete', 'export', 'share', 'grant', 'revoke', 'lock', 'unlock', 'approve', 'deny'] } },
  { key: 'sign-in', label: 'Sign-ins', filter: { activity: ['login', 'logout'] } },
  { key: 'factors', label: 'Second factors', filter: { action: ['user.factor_*', 'user.recovery_codes', 'session.step_up', 'session.password', 'sign_in_policy.*'] } },
  { key: 'deletions', label: 'Deletions', filter: { activity: ['delete'] } },
  { key: 'exports', label: 'Exports', filter: { activity: ['export', 'share'] } },
  { key: 'roles', label: 'Roles', filter: { action: ['role.*', 'permission.*', 'access_review.*', 'approval.*', 'scim*'] } },
  { key: 'keys', label: 'Keys', filter: { action: ['api_key.*', 'token*', 'key.*'] } },
  { key: 'locks', label: 'Locks', filter: { activity: ['lock', 'unlock'] } },
  { key: 'emergencies', label: 'Break-glass', filter: { action: ['access.break_glass*', 'access.elevation'] } },
  { key: 'denied', label: 'Refused', filter: { outcome: ['denied'] } },
  { key: 'failed', label: 'Failed sign-ins', filter: { activity: ['login'], outcome: ['failure', 'denied'] } },
] as const satisfies readonly { key: string; label: string; filter: { readonly [K in keyof EventFilter]?: readonly string[] } }[];
export type SecurityKind = (typeof kinds)[number]['key'];

export interface SecuritySearch extends EventSearch {
  kind?: Exclude<SecurityKind, 'all'>;
}

export function kindFilter(key: SecurityKind | undefined): EventFilter {
  const found = kinds.find((k) => k.key === (key ?? 'all')) ?? kinds[0];
  return JSON.parse(JSON.stringify(found.filter)) as EventFilter;
}

/** The security log's address: the kind, and what of the audit log's filter is asked for here. */
export function parseSecuritySearch(raw: Record<string, unknown>): SecuritySearch {
  const { range, from, to, actor, ip, outcome, event } = parseEventSearch(raw);
  const kind = kinds.find((k) => k.key !== 'all' && k.key === one(raw['kind']))?.key as SecuritySearch['kind'];
  const all = { range, from, to, actor, ip, outcome, event, kind };
  return Object.fromEntries(Object.entries(all).filter(([, v]) => v !== undefined)) as SecuritySearch;
}
