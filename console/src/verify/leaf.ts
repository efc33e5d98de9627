import { utf8 } from './bytes';
import type { Bytes } from './bytes';

/** The evidence of one event: a decoded leaf (ledger/DESIGN.md §2). Times are microseconds since 1970 UTC. */
export interface Leaf {
  nonce: Bytes;
  recordedAt: bigint;
  occurredAt: bigint;
  source: string;
  action: string;
  category: string;
  activity: string;
  outcome: string;
  resourceType: string;
  producer: { id: string; boot: string; seq: bigint } | null;
  fieldsRoot: Bytes;
  tags: [Bytes, Bytes, Bytes];
  retentionClass: bigint;
}

const format = 'probity/leaf/v1';
const maxLeaf = 65535;
const clear = /^[a-z0-9_.:/-]{1,128}$/;

/** Reads deterministic CBOR and nothing else: shortest heads, definite lengths. */
class Reader {
  at = 0;
  constructor(readonly b: Bytes) {}

  /** Reads a head of one of these major types. */
  head(...majors: number[]): { major: number; value: bigint } {
    const first = this.b[this.at];
    if (first === undefined) throw new Error('leaf ends too early');
    const major = first >> 5;
    if (!majors.includes(major)) throw new Error(`leaf has a value of another type at byte ${this.at}`);
    const info = first & 0x1f;
    this.at++;
    if (info < 24) return { major, value: BigInt(info) };
    if (info > 27) throw new Error('leaf has an indefinite length');
    const size = 1 << (info - 24);
    if (this.at + size > this.b.length) throw new Error('leaf ends too early');
    let value = 0n;
    for (let i = 0; i < size; i++) value = (value << 8n) | BigInt(this.b[this.at + i] as number);
    this.at += size;
    const least = size === 1 ? 24n : 1n << BigInt(4 * size);
    if (value < least) throw new Error('leaf has a number that is not in its shortest form');
    return { major, value };
  }

  uint(): bigint {
    return this.head(0).value;
  }

  int(): bigint {
    const { major, value } = this.head(0, 1);
    if (value >= 1n << 63n) throw new Error('leaf has a time out of range');
    return major === 1 ? -1n - value : value;
  }

  private take(major: number): Bytes {
    const n = this.head(major).value;
    if (n > BigInt(this.b.length - this.at)) throw new Error('leaf ends too early');
    const out = this.b.slice(this.at, this.at + Number(n));
    this.at += Number(n);
    return out;
  }

  bytes(length: number): Bytes {
    const out = this.take(2);
    if (out.length !== length) throw new Error(`leaf has a byte string of ${out.length} bytes where ${length} are expected`);
    return out;
  }

  text(): string {
    return utf8(this.take(3));
  }

  clear(): string {
    const s = this.text();
    if (!clear.test(s)) throw new Error('leaf has a clear string outside the allowed alphabet');
    return s;
  }

  array(length: bigint): void {
    if (this.head(4).value !== length) throw new Error('leaf has an array of the wrong length');
  }
}

/** Decodes a leaf; only the exact deterministic encoding of a valid one is accepted. */
export function decodeLeaf(b: Bytes): Leaf {
  if (b.length > maxLeaf) throw new Error('leaf is too long');
  const r = new Reader(b);
  const n = r.head(5).value;
  const leaf: Leaf = {
    nonce: new Uint8Array(), recordedAt: 0n, occurredAt: 0n, source: '', action: '', category: '', activity: '', outcome: '',
    resourceType: '', producer: null, fieldsRoot: new Uint8Array(), tags: [new Uint8Array(), new Uint8Array(), new Uint8Array()],
    retentionClass: 0n,
  };
  let last = -1;
  for (let i = 0n; i < n; i++) {
    const key = Number(r.uint());
    if (key <= last || key > 13) throw new Error('leaf has members out of order, repeated or unknown');
    for (let k = last + 1; k < key; k++) {
      if (k !== 9 && k !== 10 && k !== 13) throw new Error(`leaf has no member ${k}`);
    }
    last = key;
    member(r, key, leaf);
  }
  if (last < 12) throw new Error('leaf is not complete');
  if (r.at !== b.length) throw new Error('leaf has bytes after its end');
  return leaf;
}

function member(r: Reader, key: number, leaf: Leaf): void {
  switch (key) {
    case 0:
      if (r.text() !== format) throw new Error('leaf has an unknown format');
      return;
    case 1:
      leaf.nonce = r.bytes(16);
      return;
    case 2:
      leaf.recordedAt = r.uint();
      if (leaf.recordedAt < 1n << 32n || leaf.recordedAt > 1n << 62n) throw new Error('leaf has a recorded_at out of range');
      return;
    case 3:
      leaf.occurredAt = r.int();
      return;
    case 4:
      leaf.source = r.clear();
      return;
    case 5:
      leaf.action = r.clear();
      return;
    case 6:
      leaf.category = r.clear();
      return;
    case 7:
      leaf.activity = r.clear();
      return;
    case 8:
      leaf.outcome = r.clear();
      return;
    case 9:
      leaf.resourceType = r.clear();
      return;
    case 10:
      r.array(3n);
      leaf.producer = { id: r.clear(), boot: r.text(), seq: r.uint() };
      if (leaf.producer.boot !== '' && !clear.test(leaf.producer.boot)) throw new Error('leaf has a producer outside the allowed alphabet');
      return;
    case 11:
      leaf.fieldsRoot = r.bytes(32);
      return;
    case 12:
      r.array(3n);
      leaf.tags = [r.bytes(16), r.bytes(16), r.bytes(16)];
      return;
    case 13:
      leaf.retentionClass = r.uint();
      if (leaf.retentionClass === 0n) throw new Error('leaf names retention class 0, which must be left out');
      return;
  }
}
