import { concat, equal } from './bytes';
import type { Bytes } from './bytes';
import type { Engine } from './engine';

/** Merkle trees as in RFC 6962, and their proofs as in RFC 9162 §2.1.3 and §2.1.4. */

export function leafHash(engine: Engine, leaf: Bytes): Promise<Bytes> {
  return engine.sha256(concat(Uint8Array.of(0), leaf));
}

export function nodeHash(engine: Engine, left: Bytes, right: Bytes): Promise<Bytes> {
  return engine.sha256(concat(Uint8Array.of(1), left, right));
}

/** Folds an inclusion proof to the root it implies. Throws when the proof has the wrong length for the tree. */
export async function rootFromInclusion(engine: Engine, hash: Bytes, index: bigint, size: bigint, path: readonly Bytes[]): Promise<Bytes> {
  if (index < 0n || index >= size) throw new Error(`leaf ${index} is not in a tree of size ${size}`);
  let fn = index;
  let sn = size - 1n;
  let r = hash;
  for (const p of path) {
    if (sn === 0n) throw new Error('inclusion proof is too long');
    if ((fn & 1n) === 1n || fn === sn) {
      r = await nodeHash(engine, p, r);
      while ((fn & 1n) === 0n && fn !== 0n) {
        fn >>= 1n;
        sn >>= 1n;
      }
    } else {
      r = await nodeHash(engine, r, p);
    }
    fn >>= 1n;
    sn >>= 1n;
  }
  if (sn !== 0n) throw new Error('inclusion proof is too short');
  return r;
}

/** Checks that the tree (size2, root2) extends the tree (size1, root1). Throws saying why not. */
export async function checkConsistency(
  engine: Engine, size1: bigint, root1: Bytes, size2: bigint, root2: Bytes, proof: readonly Bytes[],
): Promise<void> {
  if (size1 > size2) throw new Error(`the log has shrunk from ${size1} to ${size2} events`);
  if (size1 === size2) {
    if (proof.length !== 0 || !equal(root1, root2)) throw new Error('two different trees of one size: the log has forked');
    return;
  }
  if (size1 === 0n) {
    if (proof.length !== 0) throw new Error('consistency proof from an empty tree must be empty');
    return;
  }
  const nodes = (size1 & (size1 - 1n)) === 0n ? [root1, ...proof] : [...proof];
  const first = nodes.shift();
  if (!first) throw new Error('consistency proof is too short');
  let fn = size1 - 1n;
  let sn = size2 - 1n;
  while ((fn & 1n) === 1n) {
    fn >>= 1n;
    sn >>= 1n;
  }
  let fr = first;
  let sr = first;
  for (const c of nodes) {
    if (sn === 0n) throw new Error('consistency proof is too long');
    if ((fn & 1n) === 1n || fn === sn) {
      fr = await nodeHash(engine, c, fr);
      sr = await nodeHash(engine, c, sr);
      while ((fn & 1n) === 0n && fn !== 0n) {
        fn >>= 1n;
        sn >>= 1n;
      }
    } else {
      sr = await nodeHash(engine, sr, c);
    }
    fn >>= 1n;
    sn >>= 1n;
  }
  if (sn !== 0n) throw new Error('consistency proof is too short');
  if (!equal(fr, root1)) throw new Error('consistency proof does not start at the tree that was seen before');
  if (!equal(sr, root2)) throw new Error('the log is not a continuation of the tree that was seen before');
}
