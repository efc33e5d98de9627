import { z } from 'zod';
import { Num } from './json';

/** The answers of the API, checked where they enter. Servers may add members; a missing list is an empty one. */

const text = z.string().nullish().transform((v) => v ?? '');
const number = z.preprocess((v) => (v instanceof Num ? Number(v.source) : v), z.number());
const list = <T extends z.ZodType>(item: T) => z.array(item).nullish().transform((v) => v ?? []);
const record = z.record(z.string(), z.unknown()).nullish().transform((v) => v ?? {});

/** A handle is a 63-bit number: kept as text, '' when there is none. */
const handle = z
  .union([z.string(), z.number(), z.instanceof(Num)])
  .nullish()
  .transform((v) => (v === undefined || v === null || String(v) === '0' ? '' : String(v)));

export const sessionSchema = z.object({
  user: z.object({ id: text, email: text, name: text, role: text, permissions: list(z.string()) }),
  tenant: z.object({ id: text, name: text }),
  csrf_token: text,
  expires_at: text,
});
export type Session = z.infer<typeof sessionSchema>;

export const keySchema = z.object({
  id: z.coerce.string(), name: text, prefix: text, scopes: list(z.string()), sources: list(z.string()), created_at: text,
  last_used_at: text, expires_at: text, revoked_at: text, secret: text,
});
export type ApiKey = z.infer<typeof keySchema>;
export const keysSchema = z.object({ items: list(keySchema) });

export const userSchema = z.object({
  id: z.coerce.string(), email: text, name: text, role: text, created_at: text, locked_at: text, last_login_at: text,
});
export type User = z.infer<typeof userSchema>;
export const usersSchema = z.object({ items: list(userSchema) });

/** Text of an event. A field that is withheld is null; one of another type, which producers may send, is shown as its JSON. */
const loose = z.unknown().optional().transform((v) => {
  if (typeof v === 'string') return v;
  if (v === null || v === undefined) return '';
  return v instanceof Num ? v.source : (JSON.stringify(v) ?? '');
});
const looseList = z.unknown().optional().transform((v) => (Array.isArray(v) ? (v as unknown[]) : []));
const looseObject = z
  .unknown()
  .optional()
  .transform((v) => (v !== null && typeof v === 'object' && !Array.isArray(v) && !(v instanceof Num) ? (v as Record<string, unknown>) : {}));

const refShape = z.object({ type: loose, id: loose, name: loose, handle });
export type Ref = z.infer<typeof refShape>;
const noRef: Ref = { type: '', id: '', name: '', handle: '' };
const refOf = (v: unknown): Ref => refShape.safeParse(v).data ?? noRef;
const ref = z.unknown().optional().transform(refOf);

/** A change keeps the difference between a value that is null and one that is absent. One that is withheld whole has no path. */
export interface Change {
  path: string;
  op: string;
  before: unknown;
  after: unknown;
  hasBefore: boolean;
  hasAfter: boolean;
}

const change = looseObject.transform(
  (c): Change => ({
    path: typeof c['path'] === 'string' ? c['path'] : '',
    op: typeof c['op'] === 'string' ? c['op'] : 'replace',
    before: c['before'],
    after: c['after'],
    hasBefore: 'before' in c,
    hasAfter: 'after' in c,
  }),
);

const actor = looseObject.transform((a) => ({
  ...refOf(a),
  email: loose.parse(a['email']),
  roles: looseList.parse(a['roles']).map((v) => loose.parse(v)),
  on_behalf_of: looseList.parse(a['on_behalf_of']).map(refOf),
}));

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
  outcome: looseObject.transform((o) => ({ status: loose.parse(o['status']), reason: loose.parse(o['reason']) })),
  actor,
  resource: ref,
  subject: z.unknown().optional().transform((v) => (v === null || v === undefined ? null : refOf(v))),
  changes: looseList.transform((v) => v.map((c) => change.parse(c))),
  context: looseObject,
  correlation_id: loose,
  reason: loose,
  custom: looseObject,
  data: looseObject,
  sentence: text,
  fields_state: z.record(z.string(), z.string()).nullish().transform((v) => v ?? {}),
  leaf_hash: text,
});

/** An event as the API shows it, with the answer's own JSON beside it. */
export const eventSchema = z.unknown().transform((raw, ctx) => {
  const r = eventShape.safeParse(raw);
  if (!r.success) {
    for (const issue of r.error.issues) ctx.addIssue({ code: 'custom', message: issue.message, path: issue.path });
    return z.NEVER;
  }
  return { ...r.data, raw };
});
export type EventView = z.infer<typeof eventSchema>;

export const eventPageSchema = z.object({
  items: list(eventSchema),
  next_cursor: text,
  /** Every matching event before this seq is in the pages. */
  complete_until: z.object({ seq: number, recorded_at: text }).nullish(),
  /** Stands at the end of a page that broke off while it was being sent. */
  error: z.unknown().optional(),
});
export type EventPage = z.infer<typeof eventPageSchema>;

const disclosedField = z.object({ path: z.string().optional(), value: z.string().optional(), salt: z.string().optional(), hash: z.string().optional() });
const disclosedGroup = z.object({
  slot: number, state: z.string().optional(), count: number.optional(), root: z.string().optional(), key: z.string().optional(),
  fields: z.array(disclosedField).optional(),
});
export const disclosureSchema = z.object({ groups: list(disclosedGroup), claims: z.record(z.string(), z.string()).optional() });
export type Disclosure = z.infer<typeof disclosureSchema>;

export const proofSchema = z.object({
  seq: number,
  /** The leaf's index in its tree; the same as seq in a log's first epoch. */
  leaf_index: number.nullish().transform((v) => v ?? null),
  leaf: z.string(),
  leaf_hash: text,
  tree_size: number,
  checkpoint: z.string(),
  inclusion: list(z.string()),
  tlog_proof: text,
  disclosures: disclosureSchema.nullish().transform((v) => v ?? null),
  vkey: text,
  /** Every key of the log, retired ones included; the newest first. */
  vkeys: list(z.string()),
});
export type EventProof = z.infer<typeof proofSchema>;

const counted = z.object({ key: text, count: number });
export const statsSchema = z.object({
  bucket: text,
  total: number,
  buckets: list(z.object({ start: z.string(), count: number, failures: number.nullish().transform((v) => v ?? 0) })),
  actions: list(counted),
  actors: list(z.object({ handle, name: text, count: number })),
  outcomes: list(counted),
  resource_types: list(counted),
});
export type Stats = z.infer<typeof statsSchema>;

export const personSchema = z.object({ handle, type: text, id: text, name: text, email: text, kind: text });
export type Person = z.infer<typeof personSchema>;
export const personsSchema = z.object({ items: list(personSchema) });

export const exportSchema = z.object({
  id: z.coerce.string(),
  status: text,
  format: text,
  title: text,
  rows_done: number.nullish().transform((v) => v ?? 0),
  rows_total: number.nullish().transform((v) => v ?? null),
  bytes: number.nullish().transform((v) => v ?? 0),
  rate: number.nullish().transform((v) => v ?? 0),
  eta_seconds: number.nullish().transform((v) => v ?? null),
  error: text,
  created_at: text,
  finished_at: text,
  download_url: text,
  sha256: text,
});
export type ExportJob = z.infer<typeof exportSchema>;
export const exportsSchema = z.object({ items: list(exportSchema) });

export const verificationSchema = z.object({
  at: text, ok: z.boolean().nullish().transform((v) => v ?? false), size: number.nullish().transform((v) => v ?? 0),
  events_per_second: number.nullish().transform((v) => v ?? 0), error: text,
});
export type Verification = z.infer<typeof verificationSchema>;

/** How far a running verification is, and how the last one ended. */
export const verifyStateSchema = z.object({
  running: z.boolean().nullish().transform((v) => v ?? false),
  done: number.nullish().transform((v) => v ?? 0), total: number.nullish().transform((v) => v ?? 0),
  last: verificationSchema.nullish().transform((v) => v ?? null),
});
export type VerifyState = z.infer<typeof verifyStateSchema>;

export const logSchema = z.object({
  log_id: text, origin: text, epoch: number, size: number,
  checkpoint: z.object({ size: number, root: text, signed_at: text, text }).nullish().transform((v) => v ?? null),
  vkey: text,
  last_verification: verificationSchema.nullish().transform((v) => v ?? null),
  anchoring: text,
  sealed_size: number.nullish().transform((v) => v ?? 0),
  /** Why the log takes no events, when it does not. */
  frozen: text,
  segments: z.union([number, z.array(z.unknown()).transform((v) => v.length)]).nullish().transform((v) => v ?? 0),
});
export type LogView = z.infer<typeof logSchema>;
export const logsSchema = z.object({ logs: list(logSchema) });

export const settingsSchema = z.object({
  event_classes: z.record(z.string(), z.boolean()).nullish().transform((v) => v ?? {}),
  retention_months: number.nullish().transform((v) => v ?? 0),
  export_formats: list(z.string()),
  export_frequency: text,
  anonymise_exports: text,
  timezone: text,
});
export type Settings = z.infer<typeof settingsSchema>;

export const customFieldSchema = z.object({
  name: z.string(), type: text, required: z.boolean().nullish().transform((v) => v ?? false), enum: list(z.string()), pattern: text,
  category: text, personal: z.boolean().nullish().transform((v) => v ?? false),
  searchable: z.boolean().nullish().transform((v) => v ?? false), description: text,
});
export type CustomField = z.infer<typeof customFieldSchema>;
export const customFieldsSchema = z.object({ items: list(customFieldSchema) });

export const viewSchema = z.object({ id: z.coerce.string(), name: text, query: z.union([z.string(), record.transform((v) => JSON.stringify(v))]), created_at: text });
export type SavedView = z.infer<typeof viewSchema>;
export const viewsSchema = z.object({ items: list(viewSchema) });
