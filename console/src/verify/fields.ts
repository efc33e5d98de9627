import type { Disclosure } from '../api/schemas';
import { compareBytes, concat, encode, equal, hashFromBase64, u16 } from './bytes';
import type { Bytes } from './bytes';
import type { Engine } from './engine';

/** Field commitments and disclosures (ledger/DESIGN.md §3, §4 and §8). */

/** The first byte of everything that is hashed: upper half the version of the format, lower half what it is. */
const domain = {
  field: Uint8Array.of(0x10),
  group: Uint8Array.of(0x11),
  fields: Uint8Array.of(0x12),
  event: Uint8Array.of(0x13),
  salt: Uint8Array.of(0x14),
};
const maxFields = 64;

export function commit(engine: Engine, salt: Bytes, path: string, value: string): Promise<Bytes> {
  const p = encode(path);
  if (p.length > 0xffff) throw new Error('a path is too long');
  return engine.sha256(concat(domain.field, salt, u16(p.length), p, encode(value)));
}

export function groupRoot(engine: Engine, slot: number, commitments: readonly Bytes[]): Promise<Bytes> {
  return engine.sha256(concat(domain.group, Uint8Array.of(slot), u16(commitments.length), ...commitments));
}

export function fieldsRoot(engine: Engine, groups: readonly Bytes[]): Promise<Bytes> {
  return engine.sha256(concat(domain.fields, Uint8Array.of(groups.length), ...groups));
}

export function eventKey(engine: Engine, g: Bytes, nonce: Bytes, slot: number): Promise<Bytes> {
  return engine.sha256(concat(domain.event, g, nonce, Uint8Array.of(slot)));
}

export function saltOf(engine: Engine, key: Bytes, path: string): Promise<Bytes> {
  const p = encode(path);
  if (p.length > 0xffff) throw new Error('a path is too long');
  return engine.sha256(concat(domain.salt, key, u16(p.length), p));
}

/** A field whose path and verbatim JSON value are proven. */
export interface ProvenField {
  slot: number;
  path: string;
  value: string;
}

export interface DisclosureResult {
  fields: ProvenField[];
  /** Fields of partly open groups that stay closed. */
  hidden: number;
  withheldGroups: number;
  erasedGroups: number;
  /** Masked renderings: the operator's word, proven by nothing. */
  claims: { path: string; value: string }[];
}

/** Recomputes fields_root from a disclosure and compares it with the leaf's. Throws when it does not match. */
export async function checkDisclosure(engine: Engine, disclosure: Disclosure, leafFieldsRoot: Bytes): Promise<DisclosureResult> {
  const result: DisclosureResult = { fields: [], hidden: 0, withheldGroups: 0, erasedGroups: 0, claims: [] };
  const roots: Bytes[] = [];
  let slot = -1;
  let count = 0;
  for (const group of disclosure.groups) {
    if (group.slot <= slot || group.slot > 255) throw new Error('groups of the disclosure are not in slot order');
    slot = group.slot;
    count += group.fields?.length ?? 0;
    if (count > maxFields) throw new Error(`the disclosure has more than ${maxFields} fields`);
    roots.push(await openGroup(engine, group, result));
  }
  result.claims = Object.entries(disclosure.claims ?? {}).map(([path, value]) => ({ path, value }));
  refuseRepeats(result);
  if (!equal(await fieldsRoot(engine, roots), leafFieldsRoot)) throw new Error('the disclosed values are not the ones that the leaf commits to');
  return result;
}

async function openGroup(engine: Engine, group: Disclosure['groups'][number], result: DisclosureResult): Promise<Bytes> {
  const fields = group.fields ?? [];
  if (group.root !== undefined) {
    if (group.key !== undefined || fields.length > 0 || (group.state !== 'withheld' && group.state !== 'erased')) {
      throw new Error(`group ${group.slot} of the disclosure is neither open nor closed`);
    }
    if (group.state === 'erased') result.erasedGroups++;
    else result.withheldGroups++;
    return hashFromBase64(group.root);
  }
  if (fields.length === 0 || group.state) throw new Error(`group ${group.slot} of the disclosure is empty`);
  const key = group.key === undefined ? null : hashFromBase64(group.key);
  const commitments: Bytes[] = [];
  let last: Bytes | null = null;
  for (const field of fields) {
    if (field.hash !== undefined) {
      if (key || field.salt || field.path || field.value) throw new Error(`a field of group ${group.slot} is both open and closed`);
      commitments.push(hashFromBase64(field.hash));
      result.hidden++;
      continue;
    }
    const { path, value } = field;
    if (!path || !value || (field.salt === undefined) === (key === null)) throw new Error(`a field of group ${group.slot} is malformed`);
    const bytes = encode(path);
    if (last && compareBytes(bytes, last) <= 0) throw new Error(`fields of group ${group.slot} are out of order`);
    last = bytes;
    const salt = key ? await saltOf(engine, key, path) : hashFromBase64(field.salt as string);
    commitments.push(await commit(engine, salt, path, value));
    result.fields.push({ slot: group.slot, path, value });
  }
  return groupRoot(engine, group.slot, commitments);
}

/** A path proven twice, or proven and claimed, would leave the reader wondering which to believe. */
function refuseRepeats(result: DisclosureResult): void {
  const seen = new Set<string>();
  for (const { path } of result.fields) {
    if (seen.has(path)) throw new Error(`the disclosure has two values for ${path}`);
    seen.add(path);
  }
  for (const { path } of result.claims) {
    if (seen.has(path)) throw new Error(`the disclosure proves and claims a value for ${path}`);
  }
}
