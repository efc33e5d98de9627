import * as z from 'zod/mini';
import { Num } from './json';

/** The answers of the API, checked where they enter. Servers may add members; a missing list is an empty one. */

/** A value that may be missing or null, with what then stands in its place. */
const or = <T extends z.core.$ZodType, F>(schema: T, fallback: F) => z.pipe(z.nullish(schema), z.transform((v): z.output<T> | F => v ?? fallback));
const text = or(z.string(), '');
const flag = or(z.boolean(), false);
const number = z.pipe(z.transform((v) => (v instanceof Num ? Number(v.source) : v)), z.number());
const count = or(number, 0);
const maybe = or(number, null);
const id = z.pipe(z.union([z.string(), z.number()]), z.transform(String));
const dict = <T extends z.core.$ZodType>(item: T) =>
  z.pipe(z.nullish(z.record(z.string(), item)), z.transform((v): Record<string, z.output<T>> => v ?? {}));
const list = <T extends z.core.$ZodType>(item: T) => z.pipe(z.nullish(z.array(item)), z.transform((v): z.output<T>[] => v ?? []));

/** A handle is a 63-bit number: kept as text, '' when there is none. */
const handle = z.pipe(
  z.nullish(z.union([z.string(), z.number(), z.instanceof(Num)])),
  z.transform((v) => (v === undefined || v === null || String(v) === '0' ? '' : String(v))),
);

export const sessionSchema = z.object({
  user: z.object({ id: text, email: text, name: text, role: text, permissions: list(z.string()) }),
  tenant: z.object({ id: text, name: text, operates: flag }),
  /** Between which tenants the person may switch, when there are several. */
  tenants: list(z.object({ id: text, name: text })),
  csrf_token: text,
  expires_at: text,
  /** What every page should show, such as that the log is frozen. */
  notices: list(z.string()),
  restricted: flag,
});
export type Session = z.infer<typeof sessionSchema>;

/** What came of a password: a session, or a sign-in that waits for its second step. */
export const loginSchema = z.object({ ...sessionSchema.shape, user: z.optional(sessionSchema.shape.user), tenant: z.optional(sessionSchema.shape.tenant), token: text, ways: list(z.string()), enrol: flag });
export const signOutSchema = z.object({ url: text });
export const passkeyOptionsSchema = z.object({ public_key: z.record(z.string(), z.unknown()) });
export const enrolmentSchema = z.object({
  id: id, kind: text, totp: z.optional(z.object({ secret: text, url: text, qr: list(z.string()) })), public_key: z.optional(z.record(z.string(), z.unknown())),
});
export type Enrolment = z.infer<typeof enrolmentSchema>;
export const recoveryCodesSchema = z.object({ recovery_codes: list(z.string()) });
export const enrolledSchema = z.object({ session: sessionSchema, recovery_codes: list(z.string()) });

export const factorSchema = z.object({ id: id, kind: text, name: text, created_at: text, last_used_at: text });
export type Factor = z.infer<typeof factorSchema>;
export const factorsSchema = z.object({ items: list(factorSchema), recovery_codes: count, demanded: flag, passkeys_possible: flag });
export const openSessionSchema = z.object({ id: id, device: text, address: text, created_at: text, last_used_at: text, expires_at: text, current: flag, restricted: flag });
export type OpenSession = z.infer<typeof openSessionSchema>;
export const openSessionsSchema = z.object({ items: list(openSessionSchema) });
export const signInPolicySchema = z.object({ second_factor_of: list(z.string()) });

export const keySchema = z.object({
  id: id, name: text, prefix: text, scopes: list(z.string()), sources: list(z.string()), created_at: text,
  last_used_at: text, expires_at: text, revoked_at: text, old_secret_until: text, secret: text,
});
export type ApiKey = z.infer<typeof keySchema>;
export const keysSchema = z.object({ items: list(keySchema) });

export const userSchema = z.object({
  id: id, email: text, name: text, role: text, roles: list(z.string()), created_at: text, locked_at: text, last_login_at: text, factors: count,
});
export type User = z.infer<typeof userSchema>;
export const usersSchema = z.object({ items: list(userSchema) });

export const invitationSchema = z.object({
  id: id, email: text, name: text, roles: list(z.string()), state: text, problem: text, invited_by: text, user_id: text, created_at: text, expires_at: text, sent_at: text, ended_at: text, link: text,
});
export type Invitation = z.infer<typeof invitationSchema>;
export const invitationsSchema = z.object({ items: list(invitationSchema), mails: flag });
export const welcomeSchema = z.object({ email: text, name: text, organisation: text, expires_at: text, passkeys: flag });

export const permissionSchema = z.object({ key: id, description: text, sensitivity: text, builtIn: flag });
export type PermissionInfo = z.infer<typeof permissionSchema>;
export const permissionsSchema = z.object({ items: list(permissionSchema) });

export const roleSchema = z.object({
  roleId: id, name: text, description: text, permissions: list(z.string()), sensitivity: text, builtIn: flag, edited: flag, copiedFrom: text, holders: count,
});
export type RoleInfo = z.infer<typeof roleSchema>;
export const rolesSchema = z.object({ items: list(roleSchema) });

const scopeSchema = or(z.object({ kind: text, value: text }), { kind: 'tenant', value: '' });
export const assignmentSchema = z.object({
  assignmentId: id, userId: text, userName: text, roleId: text, roleName: text, grantedBy: text, grantedAt: text, expiresAt: text, scope: scopeSchema, reason: text, endedAt: text, ended: text, approvalId: text,
});
export type Assignment = z.infer<typeof assignmentSchema>;
export const assignmentsSchema = z.object({ items: list(assignmentSchema), next: text });

const becauseSchema = z.object({ assignmentId: id, roleId: text, roleName: text, scope: scopeSchema, expiresAt: text });
export type Because = z.infer<typeof becauseSchema>;
export const whoSchema = z.object({ permission: text, items: list(z.object({ userId: id, userName: text, because: list(becauseSchema) })) });
export const whatSchema = z.object({
  userId: id, userName: text, locked: flag, permissions: list(z.object({ key: id, description: text, sensitivity: text, because: list(becauseSchema) })),
});

const decisionSchema = z.object({ user_id: id, name: text, approve: flag, comment: text, decided_at: text });
export const approvalSchema = z.object({
  id, kind: text, title: text, requested_by: text, requested_by_name: text, summary: text, change: z.unknown(), reason: text, needed: count, approvals: count,
  state: z.enum(['pending', 'approved', 'denied', 'expired', 'cancelled']), created_at: text, expires_at: text, ended_at: text, applied_at: text, problem: text,
  decisions: list(decisionSchema), may_decide: flag, why_not: text,
});
export type ApprovalInfo = z.infer<typeof approvalSchema>;
export const approvalRulesSchema = z.object({ items: list(z.object({ kind: id, title: text, needed: count, default: count })) });
export const approvalsSchema = z.object({ items: list(approvalSchema), more: flag });

export const tenantSchema = z.object({
  id, name: text, created_at: text, operates: flag, state: z.enum(['active', 'suspended', 'leaving', 'deleted']), changed_at: text, reason: text, delete_at: text, problem: text, log_id: text, events: count, users: count,
});
export type Tenant = z.infer<typeof tenantSchema>;
export const tenantsSchema = z.object({ items: list(tenantSchema) });
export const foundedSchema = z.object({ tenant: tenantSchema, admin_password: text });
export const reviewSchema = z.object({
  id, name: text, state: z.enum(['open', 'closed']), created_by: text, created_by_name: text, created_at: text, due_at: text, next_at: text, overdue_at: text, closed_at: text, sha256: text, auto_revoke: flag, mine: count,
  counts: z.object({ total: count, waiting: count, confirmed: count, revoked: count, gone: count, undecided: count }),
});
export type ReviewInfo = z.infer<typeof reviewSchema>;
export const reviewsSchema = z.object({ items: list(reviewSchema), more: flag });
export const reviewItemSchema = z.object({
  id, kind: text, user_id: text, user_name: text, what: text, role_id: text, scope: text, permissions: list(z.string()), sensitivity: text, granted_by: text, granted_at: text, expires_at: text, last_used_at: text, elsewhere: text,
  reviewer_names: list(z.string()), state: text, decided_by: text, decided_by_name: text, decided_at: text, reason: text, may_decide: flag, why_not: text,
});
export type ReviewItem = z.infer<typeof reviewItemSchema>;
export const reviewItemsSchema = z.object({ items: list(reviewItemSchema), more: flag });
export const reviewResultsSchema = z.object({ items: list(z.object({ id, state: text, problem: text, elsewhere: text })) });
export const ownersSchema = z.object({ owners: dict(z.string()) });

export const differenceSchema = z.object({ kind: text, user_id: text, user_name: text, email: text, outside_id: text, outside_role: text, outside_role_name: text, done: flag, problem: text });
export type Difference = z.infer<typeof differenceSchema>;
export const systemRunSchema = z.object({
  id, apply: flag, state: text, created_at: text, ended_at: text, problem: text, report: z.nullish(z.object({ compared_at: text, people: count, items: list(differenceSchema) })),
});
export const systemSchema = z.object({
  id, name: text, kind: text, base: text, spec: z.optional(z.unknown()), rules: list(z.object({ role_id: text, outside_role: text })), apply: flag, every_hours: count, per_second: count, max_changes: count, created_at: text, next_at: text,
  last: z.nullish(systemRunSchema),
});
export type SystemInfo = z.infer<typeof systemSchema>;
export const systemsSchema = z.object({ items: list(systemSchema) });
export const outsideRolesSchema = z.object({ items: list(z.object({ id, name: text })) });

/** Text of an event. A field that is withheld is null; one of another type, which producers may send, is shown as its JSON. */
const wordsOf = (v: unknown): string => {
  if (typeof v === 'string') return v;
  if (v === null || v === undefined) return '';
  return v instanceof Num ? v.source : (JSON.stringify(v) ?? '');
};
const listOf = (v: unknown): unknown[] => (Array.isArray(v) ? (v as unknown[]) : []);
const objectOf = (v: unknown): Record<string, unknown> =>
  v !== null && typeof v === 'object' && !Array.isArray(v) && !(v instanceof Num) ? (v as Record<string, unknown>) : {};
/** Whatever is there, or is not, made into something that can be shown. */
const any = <T>(make: (v: unknown) => T) => z.pipe(z.optional(z.unknown()), z.transform(make));
const loose = any(wordsOf);
const looseObject = any(objectOf);

const refShape = z.object({ type: loose, id: loose, name: loose, handle });
export type Ref = z.infer<typeof refShape>;
const noRef: Ref = { type: '', id: '', name: '', handle: '' };
const refOf = (v: unknown): Ref => refShape.safeParse(v).data ?? noRef;
const ref = any(refOf);

/** A change keeps the difference between a value that is null and one that is absent. One that is withheld whole has no path. */
export interface Change {
  path: string;
  op: string;
  before: unknown;
  after: unknown;
  hasBefore: boolean;
  hasAfter: boolean;
}

const changeOf = (v: unknown): Change => {
  const c = objectOf(v);
  return {
    path: typeof c['path'] === 'string' ? c['path'] : '',
    op: typeof c['op'] === 'string' ? c['op'] : 'replace',
    before: c['before'],
    after: c['after'],
    hasBefore: 'before' in c,
    hasAfter: 'after' in c,
  };
};

const actorOf = (v: unknown) => {
  const a = objectOf(v);
  return { ...refOf(a), email: wordsOf(a['email']), roles: listOf(a['roles']).map(wordsOf), on_behalf_of: listOf(a['on_behalf_of']).map(refOf) };
};

const outcomeOf = (v: unknown) => {
  const o = objectOf(v);
  return { status: wordsOf(o['status']), reason: wordsOf(o['reason']) };
};

const eventShape = z.object({
  seq: number,
  id: loose,
  source: loose,
  action: loose,
  category: loose,
  activity: loose,
  occurred_at: text,
  recorded_at: text,
  severity: loose,
  outcome: any(outcomeOf),
  actor: any(actorOf),
  resource: ref,
  subject: any((v) => (v === null || v === undefined ? null : refOf(v))),
  changes: any((v) => listOf(v).map(changeOf)),
  context: looseObject,
  correlation_id: loose,
  reason: loose,
  custom: looseObject,
  data: looseObject,
  sentence: text,
  fields_state: dict(z.string()),
  leaf_hash: text,
});

/** An event as the API shows it, with the answer's own JSON beside it. */
export const eventSchema = z.pipe(
  z.transform((raw) => (raw !== null && typeof raw === 'object' ? { ...raw, raw } : raw)),
  z.extend(eventShape, { raw: z.unknown() }),
);
export type EventView = z.infer<typeof eventSchema>;

export const eventPageSchema = z.object({
  items: list(eventSchema),
  next_cursor: text,
  /** Every matching event before this seq is in the pages. */
  complete_until: z.nullish(z.object({ seq: number, recorded_at: text })),
  /** Stands at the end of a page that broke off while it was being sent. */
  error: z.optional(z.unknown()),
});
export type EventPage = z.infer<typeof eventPageSchema>;

const disclosedField = z.object({ path: z.optional(z.string()), value: z.optional(z.string()), salt: z.optional(z.string()), hash: z.optional(z.string()) });
const disclosedGroup = z.object({
  slot: number, state: z.optional(z.string()), count: z.optional(number), root: z.optional(z.string()), key: z.optional(z.string()),
  fields: z.optional(z.array(disclosedField)),
});
export const disclosureSchema = z.object({ groups: list(disclosedGroup), claims: z.optional(z.record(z.string(), z.string())) });
export type Disclosure = z.infer<typeof disclosureSchema>;

export const proofSchema = z.object({
  seq: number,
  /** The leaf's index in its tree; the same as seq in a log's first epoch. */
  leaf_index: maybe,
  leaf: z.string(),
  leaf_hash: text,
  tree_size: number,
  checkpoint: z.string(),
  inclusion: list(z.string()),
  tlog_proof: text,
  disclosures: or(disclosureSchema, null),
  vkey: text,
  /** Every key of the log, retired ones included; the newest first. */
  vkeys: list(z.string()),
});
export type EventProof = z.infer<typeof proofSchema>;

const counted = z.object({ key: text, count: number });
export const statsSchema = z.object({
  bucket: text,
  total: number,
  buckets: list(z.object({ start: z.string(), count: number, failures: count })),
  actions: list(counted),
  actors: list(z.object({ handle, name: text, count: number })),
  outcomes: list(counted),
  resource_types: list(counted),
  /** The time ran out: only events from counted_from on are counted. */
  partial: flag,
  counted_from: or(z.object({ seq: number, recorded_at: text }), null),
});
export type Stats = z.infer<typeof statsSchema>;

export const personSchema = z.object({ handle, handles: list(handle), type: text, id: text, name: text, email: text, kind: text });
export type Person = z.infer<typeof personSchema>;
export const personsSchema = z.object({ items: list(personSchema) });

export const exportSchema = z.object({
  id: id,
  status: text,
  format: text,
  title: text,
  rows_done: count,
  rows_total: maybe,
  bytes: count,
  rate: count,
  eta_seconds: maybe,
  error: text,
  created_at: text,
  finished_at: text,
  download_url: text,
  sha256: text,
});
export type ExportJob = z.infer<typeof exportSchema>;
export const exportsSchema = z.object({ items: list(exportSchema) });

/** A download link of an export; url only when it has just been made. */
export const linkSchema = z.object({
  id: id, created_by: text, recipient: text, status: text, created_at: text, expires_at: text, revoked_at: text, downloads: count, last_used_at: text, url: text,
});
export type DownloadLink = z.infer<typeof linkSchema>;
export const linksSchema = z.object({ items: list(linkSchema) });
export const downloadSchema = z.object({ file_name: text, bytes: count, sha256: text, expires_at: text });

export const timingSchema = z.object({ every: text, at: text, weekday: count, day: count, cron: text, event: text, time_zone: text });
export type Timing = z.infer<typeof timingSchema>;
export const scheduleSchema = z.object({
  id: id, owner: text, paused: text, next_at: text, last_at: text, created_at: text,
  definition: z.object({ name: text, format: text, filter: dict(z.unknown()), period: text, timing: timingSchema, missed: text, mail: flag }),
});
export type Schedule = z.infer<typeof scheduleSchema>;
export const schedulesSchema = z.object({ items: list(scheduleSchema) });
export const scheduleRunsSchema = z.object({ items: list(z.object({ id: id, due_at: text, cause: text, status: text, problem: text, export_id: text })) });
export const schedulePreviewSchema = z.object({ times: list(z.string()) });

/** A background job; done and total count units, such as rows. */
export const jobSchema = z.object({
  id: count,
  kind: text,
  queue: text,
  state: text,
  cancelling: flag,
  args: dict(z.unknown()),
  requested_by: text,
  attempt: count,
  max_attempts: count,
  errors: list(z.object({ attempt: count, at: text, message: text })),
  done: count,
  total: maybe,
  result: text,
  rate: count,
  eta_seconds: maybe,
  created_at: text,
  due_at: text,
  started_at: text,
  finished_at: text,
});
export type Job = z.infer<typeof jobSchema>;
export const jobsSchema = z.object({ items: list(jobSchema), next_cursor: text });
export const channelSchema = z.object({
  id: id, name: text, kind: text, target: text, topics: list(z.string()), paused: text, muted_until: text, failures: count, last_problem: text, last_ok_at: text,
  dead_letters: count, public_keys: list(z.string()), created_at: text, secret: text,
});
export type Channel = z.infer<typeof channelSchema>;
export const channelsSchema = z.object({ items: list(channelSchema) });

export const kindSchema = z.object({ name: text, label: text, about: text, severity: text });
export const kindsSchema = z.object({ items: list(kindSchema) });

export const deliverySchema = z.object({
  id: id, channel_id: text, kind: text, cause: z.object({ type: text, id: text }), status: text, attempts: count, code: count, problem: text, next_at: text, created_at: text, finished_at: text,
  history: list(z.object({ number: count, at: text, took_ms: count, code: count, problem: text })),
});
export type Delivery = z.infer<typeof deliverySchema>;
export const deliveriesSchema = z.object({ items: list(deliverySchema), next_cursor: text });
export const replayedSchema = z.object({ replayed: count });

const filterSchema = or(z.record(z.string(), z.array(z.string())), {} as Record<string, string[]>);
export const alertRuleSchema = z.object({
  id: id, name: text, filter: filterSchema, threshold: or(z.object({ more_than: count, window_seconds: count, group_by: text }), null), cool_down_seconds: count, severity: text, channels: list(z.string()), enabled: flag,
  muted_until: text, stopped: text, open: count, behind: count, last_fired_at: text, created_at: text,
});
export type AlertRule = z.infer<typeof alertRuleSchema>;
export const alertRulesSchema = z.object({ items: list(alertRuleSchema) });

export const alertSchema = z.object({
  id: id, rule_id: text, rule: text, severity: text, state: text, group_by: text, group: text, handle, fired_at: text, last_at: text, events: count, samples: list(number), first_seq: count, last_seq: count, notified: flag,
  acknowledged_at: text, acknowledged_by: text, note: text, resolved_at: text, resolved_because: text,
});
export type RaisedAlert = z.infer<typeof alertSchema>;
export const alertsSchema = z.object({ items: list(alertSchema), next_cursor: text });
export const previewSchema = z.object({
  from: text, until: text, partial: flag, matches: count, alerts: count, problem: text, newest: list(z.object({ fired_at: text, first_seq: count, group: text })),
});

export const streamSchema = z.object({
  id: id, name: text, kind: text, format: text, filter: z.object({ actions: list(z.string()), sources: list(z.string()), outcomes: list(z.string()) }), unmasked: flag, target: text, next_seq: count, behind: count, sent: count,
  paused: text, failures: count, last_problem: text, last_ok_at: text, public_keys: list(z.string()), created_at: text, secret: text,
});
export type EventStream = z.infer<typeof streamSchema>;
export const streamsSchema = z.object({ items: list(streamSchema) });
export const streamTestSchema = z.object({ ok: flag, code: count, problem: text });

export const verificationSchema = z.object({
  at: text, ok: flag, size: count,
  events_per_second: count, error: text,
});
export type Verification = z.infer<typeof verificationSchema>;

/** How far a running verification is, and how the last one ended. */
export const verifyStateSchema = z.object({
  running: flag,
  done: count, total: count,
  last: or(verificationSchema, null),
});
export type VerifyState = z.infer<typeof verifyStateSchema>;

export const logSchema = z.object({
  log_id: text, origin: text, epoch: number, size: number,
  /** seq of the epoch's first event. */
  base: count,
  /** A lossy restore has ended this epoch. */
  ended: flag,
  checkpoint: or(z.object({ size: number, root: text, signed_at: text, text }), null),
  vkey: text,
  last_verification: or(verificationSchema, null),
  anchoring: text,
  sealed_size: count,
  /** Why the log takes no events, when it does not. */
  frozen: text,
  segments: count,
});
export type LogView = z.infer<typeof logSchema>;
export const logsSchema = z.object({ logs: list(logSchema) });

/** A legal hold; an end_seq of 0 means that it has no end. */
export const holdSchema = z.object({
  id: id, first_seq: count, end_seq: count, reason: text, placed_at: text, placed_by: text, released_at: text, released_by: text, release_reason: text, state: text, objects: count, pending: flag,
});
export type Hold = z.infer<typeof holdSchema>;
export const holdsSchema = z.object({ items: list(holdSchema), possible: or(z.boolean(), true) });

/** Where the keys stand: the service with the master key, the tenant's keyset, the log's signing keys with the newest first. */
export const cryptoKeysSchema = z.object({
  master: z.object({ kms: text, version: text, current_version: text, since: text, tenants: count, behind: count, problem: text }),
  tenant: z.object({ primary: text, keys: count, since: text, wrapped_under: text }),
  signing: list(z.object({ key_id: text, vkey: text, state: text, created_at: text, retires_at: text })),
});
export type CryptoKeys = z.infer<typeof cryptoKeysSchema>;

export const settingsSchema = z.object({
  event_classes: dict(z.boolean()),
  retention_months: count,
  export_formats: list(z.string()),
  export_frequency: text,
  anonymise_exports: text,
  timezone: text,
});
export type Settings = z.infer<typeof settingsSchema>;

export const customFieldSchema = z.object({
  name: z.string(), type: text, required: flag, enum: list(z.string()), pattern: text,
  category: text, personal: flag,
  searchable: flag, description: text,
});
export type CustomField = z.infer<typeof customFieldSchema>;
export const customFieldsSchema = z.object({ items: list(customFieldSchema) });

export const viewSchema = z.object({ id: id, name: text, query: text, created_at: text });
export type SavedView = z.infer<typeof viewSchema>;
export const viewsSchema = z.object({ items: list(viewSchema) });

export const featureFlagSchema = z.object({
  name: text, description: text, owner: text, default: flag, roles: list(z.string()), percentage: count, killed: flag, expires_at: text, changed_at: text,
});
export type FeatureFlag = z.infer<typeof featureFlagSchema>;
export const featureFlagsSchema = z.object({ items: list(featureFlagSchema) });

export const tokenIssuerSchema = z.object({
  id: text, name: text, issuer: text, audience: text, jwks_url: text, claim: text, permissions: list(z.string()), grants: dict(z.array(z.string())), paused: flag, created_at: text,
});
export type TokenIssuer = z.infer<typeof tokenIssuerSchema>;
export const tokenIssuersSchema = z.object({ items: list(tokenIssuerSchema) });

export const oidcProviderSchema = z.object({
  id: text, name: text, issuer: text, client_id: text, domains: list(z.string()), groups_claim: text, roles: dict(z.string()), default_role: text, create_users: flag, has_secret: flag, paused: flag,
  redirect_url: text, logout_url: text, backchannel_logout_url: text, created_at: text,
});
export type OidcProvider = z.infer<typeof oidcProviderSchema>;
export const oidcProvidersSchema = z.object({ items: list(oidcProviderSchema) });

export const signInProvidersSchema = z.object({ items: list(z.object({ id: text, name: text })) });
