/** The URL is the state: plain, readable query parameters; a name that repeats is a list. */

export type RawSearch = Record<string, string | string[]>;

export function parseSearch(text: string): RawSearch {
  const out: RawSearch = {};
  for (const [name, value] of new URLSearchParams(text)) {
    const had = out[name];
    out[name] = had === undefined ? value : Array.isArray(had) ? [...had, value] : [had, value];
  }
  return out;
}

export function stringifySearch(search: Record<string, unknown>): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(search)) {
    for (const v of Array.isArray(value) ? value : [value]) {
      if (v !== undefined && v !== null && v !== '') params.append(name, String(v));
    }
  }
  // What stays readable in an address bar stays as it is.
  const text = params.toString().replaceAll('%3A', ':').replaceAll('%2F', '/').replaceAll('%40', '@').replaceAll('%2C', ',');
  return text ? `?${text}` : '';
}

export function one(value: unknown): string | undefined {
  const v: unknown = Array.isArray(value) ? value[value.length - 1] : value;
  return typeof v === 'string' && v !== '' ? v : typeof v === 'number' ? String(v) : undefined;
}

/**
 * The path that may follow sign-in: one of this console, never another site. Routes pass on what their validation leaves out, so this is
 * asked where the path is used, too.
 */
export function ownPath(value: unknown): string | undefined {
  const path = one(value);
  return path && /^\/(?![/\\])/.test(path) && !path.startsWith('/signin') ? path : undefined;
}

export function many(value: unknown): string[] | undefined {
  const list = (Array.isArray(value) ? value : [value]).filter((v): v is string => typeof v === 'string' && v !== '');
  return list.length > 0 ? [...new Set(list)] : undefined;
}
