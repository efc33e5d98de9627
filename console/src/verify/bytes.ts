/** Byte strings: the little that the verifier needs of them. */

export type Bytes = Uint8Array<ArrayBuffer>;

/** Decodes standard base64 in its one canonical spelling. Throws on anything else. */
export function fromBase64(text: string): Bytes {
  let binary: string;
  try {
    binary = atob(text);
  } catch {
    throw new Error('this is not base64');
  }
  const out = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) out[i] = binary.charCodeAt(i);
  if (toBase64(out) !== text) throw new Error('base64 is not in its canonical spelling');
  return out;
}

/** Decodes a 32-byte hash in base64. */
export function hashFromBase64(text: string): Bytes {
  const b = fromBase64(text);
  if (b.length !== 32) throw new Error(`a hash has 32 bytes, not ${b.length}`);
  return b;
}

export function toBase64(b: Uint8Array): string {
  let binary = '';
  for (const byte of b) binary += String.fromCharCode(byte);
  return btoa(binary);
}

export function toHex(b: Uint8Array): string {
  return Array.from(b, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function fromHex(text: string): Bytes {
  if (text.length % 2 !== 0 || /[^0-9a-f]/i.test(text)) throw new Error('this is not hexadecimal');
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** Decodes UTF-8 strictly. */
export function utf8(b: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(b);
}

export function encode(text: string): Bytes {
  return new TextEncoder().encode(text) as Bytes;
}

export function concat(...parts: readonly Uint8Array[]): Bytes {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Orders as Go orders strings: bytewise over UTF-8. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    const d = (a[i] as number) - (b[i] as number);
    if (d !== 0) return d;
  }
  return a.length - b.length;
}

export function u16(n: number): Bytes {
  return Uint8Array.of(n >> 8, n & 0xff);
}
