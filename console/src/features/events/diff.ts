import { Num } from '../../api/json';

/** What changed between two values, in a form that can be drawn. */

export interface Piece {
  text: string;
  changed: boolean;
}

export type Kind = 'absent' | 'null' | 'text' | 'number' | 'boolean' | 'list' | 'object';

export function kindOf(value: unknown, present: boolean): Kind {
  if (!present) return 'absent';
  if (value === null || value === undefined) return 'null';
  if (value instanceof Num || typeof value === 'number') return 'number';
  if (typeof value === 'boolean') return 'boolean';
  if (typeof value === 'string') return 'text';
  return Array.isArray(value) ? 'list' : 'object';
}

const maxTokens = 600;

function tokens(text: string): string[] {
  return text.match(/[\p{L}\p{N}_]+|\s+|[^\p{L}\p{N}_\s]/gu) ?? [];
}

/** Marks the words that differ between two texts; very long ones are compared by their common ends only. */
export function diffText(before: string, after: string): { before: Piece[]; after: Piece[] } {
  const a = tokens(before);
  const b = tokens(after);
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const midA = a.slice(head, a.length - tail);
  const midB = b.slice(head, b.length - tail);
  const kept = midA.length > maxTokens || midB.length > maxTokens ? { a: new Set<number>(), b: new Set<number>() } : common(midA, midB);
  const build = (all: string[], mid: string[], keep: Set<number>): Piece[] =>
    join([
      ...all.slice(0, head).map((text) => ({ text, changed: false })),
      ...mid.map((text, i) => ({ text, changed: !keep.has(i) })),
      ...all.slice(all.length - tail, tail === 0 ? 0 : undefined).map((text) => ({ text, changed: false })),
    ]);
  return { before: build(a, midA, kept.a), after: build(b, midB, kept.b) };
}

/** The longest common subsequence, as the positions kept on both sides. */
function common(a: string[], b: string[]): { a: Set<number>; b: Set<number> } {
  const w = b.length + 1;
  const table = new Uint16Array((a.length + 1) * w);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      table[i * w + j] =
        a[i] === b[j] ? (table[(i + 1) * w + j + 1] as number) + 1 : Math.max(table[(i + 1) * w + j] as number, table[i * w + j + 1] as number);
    }
  }
  const kept = { a: new Set<number>(), b: new Set<number>() };
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (a[i] === b[j]) {
      kept.a.add(i++);
      kept.b.add(j++);
    } else if ((table[(i + 1) * w + j] as number) >= (table[i * w + j + 1] as number)) i++;
    else j++;
  }
  return kept;
}

function join(pieces: Piece[]): Piece[] {
  const out: Piece[] = [];
  for (const p of pieces) {
    const last = out[out.length - 1];
    if (last && last.changed === p.changed) last.text += p.text;
    else out.push({ ...p });
  }
  return out;
}

export interface Line {
  path: string;
  before: string | null;
  after: string | null;
}

/** Takes JSON apart into its leaves, each under its path. */
export function leavesOf(value: unknown, path = ''): Map<string, string> {
  const out = new Map<string, string>();
  const walk = (v: unknown, at: string): void => {
    if (v !== null && typeof v === 'object' && !(v instanceof Num)) {
      const entries = Object.entries(v);
      if (entries.length === 0) out.set(at, Array.isArray(v) ? '[]' : '{}');
      for (const [k, child] of entries) walk(child, at === '' ? k : `${at}.${k}`);
      return;
    }
    out.set(at, v instanceof Num ? v.source : (JSON.stringify(v) ?? 'null'));
  };
  walk(value, path);
  return out;
}

/** The leaves in which two objects or lists differ, and how many they share unchanged. */
export function diffLeaves(before: unknown, after: unknown): { lines: Line[]; same: number } {
  const a = leavesOf(before);
  const b = leavesOf(after);
  const lines: Line[] = [];
  let same = 0;
  for (const path of [...new Set([...a.keys(), ...b.keys()])]) {
    const x = a.get(path) ?? null;
    const y = b.get(path) ?? null;
    if (x === y) same++;
    else lines.push({ path, before: x, after: y });
  }
  return { lines, same };
}

/** How a number changed, such as "+2.5 (+10 %)"; '' when that says nothing. */
export function deltaOf(before: unknown, after: unknown): string {
  const [a, b] = [Number(String(before)), Number(String(after))];
  if (!Number.isFinite(a) || !Number.isFinite(b) || Math.max(Math.abs(a), Math.abs(b)) > Number.MAX_SAFE_INTEGER) return '';
  const d = Number((b - a).toPrecision(12));
  if (d === 0) return '';
  const sign = d > 0 ? '+' : '−';
  const percent = a !== 0 ? ` (${sign}${Math.abs((d / a) * 100).toLocaleString('en', { maximumFractionDigits: 1 })} %)` : '';
  return `${sign}${Math.abs(d).toLocaleString('en', { maximumFractionDigits: 6 })}${percent}`;
}
