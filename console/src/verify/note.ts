import { concat, encode, equal, fromBase64, hashFromBase64 } from './bytes';
import type { Bytes } from './bytes';
import type { Engine } from './engine';

/** Signed notes (C2SP signed-note) and the checkpoints in them (C2SP tlog-checkpoint). */

export interface VerifierKey {
  name: string;
  /** Eight hex digits, as people compare them. */
  id: string;
  hash: Bytes;
  publicKey: Bytes;
}

const algorithmEd25519 = 1;

/** Parses a vkey, name+hash+base64, and checks that its hash belongs to its name and key. */
export async function parseVerifierKey(engine: Engine, vkey: string): Promise<VerifierKey> {
  const match = /^([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(vkey.trim());
  if (!match) throw new Error('this is not a verifier key');
  const [, name = '', id = '', key64 = ''] = match;
  const key = fromBase64(key64);
  if (key[0] !== algorithmEd25519 || key.length !== 33) throw new Error('verifier key is not of the kind Ed25519');
  const hash = (await engine.sha256(concat(encode(`${name}\n`), key))).slice(0, 4);
  const told = Uint8Array.from(id.match(/../g) ?? [], (h) => Number.parseInt(h, 16));
  if (!equal(hash, told)) throw new Error('verifier key does not have the hash that it names');
  return { name, id, hash, publicKey: key.slice(1) };
}

export interface SignedNote {
  /** What is signed, its last newline included. */
  text: string;
  signatures: { name: string; hash: Bytes; signature: Bytes }[];
}

export function parseNote(signed: string): SignedNote {
  const split = signed.lastIndexOf('\n\n');
  if (split < 0 || !signed.endsWith('\n')) throw new Error('checkpoint is not a signed note');
  const text = signed.slice(0, split + 1);
  const lines = signed.slice(split + 2, -1).split('\n');
  const signatures = lines.map((line) => {
    const match = /^\u2014 ([^+\s]+) ([A-Za-z0-9+/=]+)$/.exec(line);
    if (!match) throw new Error('checkpoint has a malformed signature line');
    const raw = fromBase64(match[2] ?? '');
    if (raw.length < 5) throw new Error('checkpoint has a signature that is too short');
    return { name: match[1] ?? '', hash: raw.slice(0, 4), signature: raw.slice(4) };
  });
  return { text, signatures };
}

export interface Checkpoint {
  origin: string;
  size: bigint;
  root: Bytes;
}

/** Reads the three lines of a checkpoint: origin, size, root. */
export function parseCheckpoint(text: string): Checkpoint {
  const lines = text.split('\n');
  if (lines.length !== 4 || lines[3] !== '') throw new Error('checkpoint does not have exactly three lines');
  const [origin = '', size = '', root = ''] = lines;
  if (origin === '' || !/^(0|[1-9][0-9]{0,18})$/.test(size)) throw new Error('checkpoint is malformed');
  return { origin, size: BigInt(size), root: hashFromBase64(root) };
}

/** Opens a checkpoint: a signature of this key, by the name of its origin. */
export async function openCheckpoint(engine: Engine, signed: string, key: VerifierKey): Promise<Checkpoint> {
  const note = parseNote(signed);
  const checkpoint = parseCheckpoint(note.text);
  if (checkpoint.origin !== key.name) throw new Error(`checkpoint is of ${checkpoint.origin}, the key of ${key.name}`);
  const mine = note.signatures.find((s) => s.name === key.name && equal(s.hash, key.hash));
  if (!mine) throw new Error('checkpoint is not signed by this key');
  if (mine.signature.length !== 64 || !(await engine.verifyEd25519(key.publicKey, mine.signature, encode(note.text)))) {
    throw new Error('the signature on the checkpoint is wrong');
  }
  return checkpoint;
}

/** Reads the leaf's index from a C2SP tlog-proof; null when the text holds none. */
export function indexOfProof(text: string): bigint | null {
  const match = /^index (0|[1-9][0-9]*)$/m.exec(text);
  return match ? BigInt(match[1] ?? '0') : null;
}
