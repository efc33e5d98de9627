import { Num, parseJSON } from '../api/json';
import type { EventView } from '../api/schemas';
import type { ProvenField } from './fields';
import type { Leaf } from './leaf';

/** A value on the page that is not the value that is proven. */
export interface Mismatch {
  path: string;
  shown: string;
  proven: string;
}

/** Looks up an RFC 6901 pointer; undefined when there is nothing there. */
export function atPointer(value: unknown, pointer: string): unknown {
  if (pointer === '') return value;
  let v: unknown = value;
  for (const token of pointer.slice(1).split('/')) {
    if (v === null || typeof v !== 'object') return undefined;
    v = (v as Record<string, unknown>)[token.replaceAll('~1', '/').replaceAll('~0', '~')];
  }
  return v;
}

/** Equal as JSON: numbers by their spelling when that was kept, members in any order. */
export function sameJSON(a: unknown, b: unknown): boolean {
  if (a instanceof Num || b instanceof Num) return String(a) === String(b);
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((v, i) => sameJSON(v, b[i]));
  if (a && b && typeof a === 'object' && typeof b === 'object' && !Array.isArray(a) && !Array.isArray(b)) {
    const [ka, kb] = [Object.keys(a), Object.keys(b)];
    return ka.length === kb.length && ka.every((k) => k in b && sameJSON((a as Record<string, unknown>)[k], (b as Record<string, unknown>)[k]));
  }
  return false;
}

/** Compares the event as shown with its leaf and its proven fields. Paths that the page does not show are not its business. */
export function compareWithView(view: EventView, leaf: Leaf, fields: readonly ProvenField[]): { compared: number; mismatches: Mismatch[] } {
  const mismatches: Mismatch[] = [];
  const clear: [string, string, string][] = [
    ['/source', view.source, leaf.source],
    ['/action', view.action, leaf.action],
    ['/category', view.category, leaf.category],
    ['/activity', view.activity, leaf.activity],
    ['/outcome/status', view.outcome.status, leaf.outcome],
    ['/resource/type', view.resource.type, leaf.resourceType],
    ['/recorded_at', micros(view.recorded_at), leaf.recordedAt.toString()],
    ['/occurred_at', micros(view.occurred_at), leaf.occurredAt.toString()],
  ];
  let compared = 0;
  for (const [path, shown, proven] of clear) {
    compared++;
    if (shown !== proven) mismatches.push({ path, shown, proven });
  }
  for (const field of fields) {
    const shown = atPointer(view.raw, field.path);
    if (shown === undefined) continue;
    compared++;
    let proven: unknown;
    try {
      proven = parseJSON(field.value);
    } catch {
      proven = undefined;
    }
    if (!sameJSON(shown, proven)) mismatches.push({ path: field.path, shown: JSON.stringify(shown) ?? '', proven: field.value });
  }
  return { compared, mismatches };
}

/** An RFC 3339 time in microseconds since 1970, as text; '' when it is not one. */
export function micros(time: string): string {
  const match = /^(.*?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(time);
  if (!match) return '';
  const ms = Date.parse(`${match[1]}${match[3]}`);
  if (Number.isNaN(ms)) return '';
  return (BigInt(ms) * 1000n + BigInt((match[2] ?? '').padEnd(6, '0').slice(0, 6) || '0')).toString();
}
