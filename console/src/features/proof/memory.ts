/** What this browser has seen of a log before: its key, and the largest signed head. A log that rewrites its past is found out by that. */

export interface KeyMemory {
  first: boolean;
  changed: boolean;
  before: string;
  /** Day on which the key was first seen. */
  since: string;
}

interface Seen {
  key: string;
  since: string;
}

export interface SeenHead {
  size: string;
  /** Root in base64. */
  root: string;
  at: string;
}

function read<T>(name: string): T | null {
  try {
    return JSON.parse(localStorage.getItem(name) ?? 'null') as T | null;
  } catch {
    return null;
  }
}

function write(name: string, value: unknown): void {
  try {
    localStorage.setItem(name, JSON.stringify(value));
  } catch {
    // storage is off: nothing is remembered
  }
}

/** Compares a key with the one first seen under this origin; the first one is kept. */
export function rememberKey(origin: string, key: string): KeyMemory {
  const name = `probity.key ${origin}`;
  const seen = read<Seen>(name);
  if (!seen?.key) {
    write(name, { key, since: new Date().toISOString().slice(0, 10) });
    return { first: true, changed: false, before: '', since: '' };
  }
  return { first: false, changed: seen.key !== key, before: seen.key, since: seen.since };
}

export function seenHead(origin: string): SeenHead | null {
  const head = read<SeenHead>(`probity.head ${origin}`);
  return head?.size && head.root ? head : null;
}

export function rememberHead(origin: string, size: bigint, root: string): void {
  write(`probity.head ${origin}`, { size: size.toString(), root, at: new Date().toISOString() } satisfies SeenHead);
}
