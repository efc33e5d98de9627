/**
 * JSON without loss. An audit console must not show 12345678901234567000 where 12345678901234567890 was recorded, so numbers that
 * JavaScript cannot hold exactly, or would spell differently, are kept as their source text.
 */
export class Num {
  constructor(readonly source: string) {}
  toString(): string {
    return this.source;
  }
  toJSON(): unknown {
    const raw = (JSON as unknown as { rawJSON?: (text: string) => unknown }).rawJSON;
    return raw ? raw(this.source) : Number(this.source);
  }
}

type Reviver = (this: unknown, key: string, value: unknown, context?: { source?: string }) => unknown;

const keepNumbers: Reviver = (_key, value, context) =>
  typeof value === 'number' && context?.source !== undefined && context.source !== String(value) ? new Num(context.source) : value;

let tellsSource: boolean | null = null;

/** Whether this browser tells a reviver what a number looked like. */
function canTell(): boolean {
  if (tellsSource === null) {
    tellsSource = false;
    JSON.parse('1.0', ((_k: string, v: unknown, c?: { source?: string }) => {
      tellsSource = c?.source === '1.0';
      return v;
    }) as (key: string, value: unknown) => unknown);
  }
  return tellsSource;
}

const mark = '\u0000number:';

/** Wraps long numbers in marked strings; for browsers that do not tell a number's source. */
export function protectNumbers(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]{14,}/g, (token) => (token.startsWith('"') ? token : JSON.stringify(mark + token)));
}

/** Parses JSON text; numbers that would change become {@link Num}. */
export function parseJSON(text: string): unknown {
  if (canTell()) return JSON.parse(text, keepNumbers as (key: string, value: unknown) => unknown);
  return parseProtected(text);
}

/** The same for browsers that do not tell a number's source: only long numbers are kept, short ones cannot lose digits. */
export function parseProtected(text: string): unknown {
  return JSON.parse(protectNumbers(text), (_key, value: unknown) => {
    if (typeof value !== 'string' || !value.startsWith(mark)) return value;
    const source = value.slice(mark.length);
    return String(Number(source)) === source ? Number(source) : new Num(source);
  });
}

/** Renders a value as indented JSON, numbers as they were received. */
export function prettyJSON(value: unknown): string {
  return render(value, '');
}

function render(value: unknown, indent: string): string {
  if (value instanceof Num) return value.source;
  if (Array.isArray(value)) {
    if (value.length === 0) return '[]';
    const inner = `${indent}  `;
    return `[\n${value.map((v) => inner + render(v, inner)).join(',\n')}\n${indent}]`;
  }
  if (value !== null && typeof value === 'object') {
    const entries = Object.entries(value).filter(([, v]) => v !== undefined);
    if (entries.length === 0) return '{}';
    const inner = `${indent}  `;
    return `{\n${entries.map(([k, v]) => `${inner}${JSON.stringify(k)}: ${render(v, inner)}`).join(',\n')}\n${indent}}`;
  }
  return JSON.stringify(value) ?? 'null';
}
