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

/** Parses JSON text; numbers that would change become {@link Num} where the browser tells their source. */
export function parseJSON(text: string): unknown {
  return JSON.parse(text, keepNumbers as (key: string, value: unknown) => unknown);
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
