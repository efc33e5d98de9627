// @vitest-environment node
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { disclosureSchema } from '../api/schemas';
import { fromBase64, fromHex, toHex, encode } from './bytes';
import { chooseEngine, javascriptEngine } from './engine';
import type { Engine } from './engine';
import { checkDisclosure, commit, eventKey, fieldsRoot, groupRoot, saltOf } from './fields';
import { decodeLeaf } from './leaf';
import { indexOfProof, openCheckpoint, parseVerifierKey } from './note';
import { checkConsistency, leafHash, nodeHash, rootFromInclusion } from './tree';
import type { Bytes } from './bytes';

const file = path.resolve(import.meta.dirname ?? __dirname, '../../../ledger/testdata/vectors.json');
const present = existsSync(file);
// eslint-disable-next-line @typescript-eslint/no-explicit-any
const vectors: any = present ? JSON.parse(readFileSync(file, 'utf8')) : {};

const engines: [string, () => Promise<Engine>][] = [
  ['WebCrypto', () => chooseEngine()],
  ['JavaScript', () => javascriptEngine()],
];

describe.each(engines)('published vectors, %s', (_name, make) => {
  it.runIf(present)('decodes leaves and hashes them', async () => {
    const e = await make();
    for (const v of vectors.leaves) {
      const bytes = fromHex(v.cbor_hex);
      const leaf = decodeLeaf(bytes);
      expect(toHex(await leafHash(e, bytes))).toBe(v.leaf_hash_hex);
      expect([leaf.source, leaf.action, leaf.category, leaf.activity, leaf.outcome]).toEqual([
        v.leaf.source, v.leaf.action, v.leaf.category, v.leaf.activity, v.leaf.outcome,
      ]);
      expect(leaf.resourceType).toBe(v.leaf.resource_type ?? '');
      expect([leaf.recordedAt, leaf.occurredAt]).toEqual([BigInt(v.leaf.recorded_at), BigInt(v.leaf.occurred_at)]);
      expect(toHex(leaf.nonce)).toBe(v.leaf.nonce_hex);
      expect(leaf.tags.map(toHex)).toEqual(v.leaf.tags_hex);
      expect(leaf.producer ? [leaf.producer.id, leaf.producer.boot, Number(leaf.producer.seq)] : undefined).toEqual(v.leaf.producer);
    }
  });

  it.runIf(present)('refuses every leaf with one byte cut, added or changed in its structure', () => {
    for (const v of vectors.leaves) {
      const bytes = fromHex(v.cbor_hex);
      for (let n = 0; n < bytes.length; n++) expect(() => decodeLeaf(bytes.slice(0, n))).toThrow();
      expect(() => decodeLeaf(Uint8Array.from([...bytes, 0]))).toThrow();
      const other = bytes.slice();
      other[4] = 0x58; // of the format's name
      expect(() => decodeLeaf(other)).toThrow();
    }
  });

  it.runIf(present)('recomputes commitments, group roots and field roots', async () => {
    const e = await make();
    for (const tree of vectors.field_trees) {
      const roots: Bytes[] = [];
      for (const g of tree.groups) {
        const commitments: Bytes[] = [];
        for (const f of g.fields) {
          const c = await commit(e, fromHex(f.salt_hex), f.path, f.value);
          expect(toHex(c)).toBe(f.commitment_hex);
          commitments.push(c);
        }
        const root = await groupRoot(e, g.slot, commitments);
        expect(toHex(root)).toBe(g.root_hex);
        roots.push(root);
      }
      expect(toHex(await fieldsRoot(e, roots))).toBe(tree.fields_root_hex);
    }
  });

  it.runIf(present)('derives event keys and salts', async () => {
    const e = await make();
    const s = vectors.secrets;
    for (const g of s.groups) {
      const key = await eventKey(e, fromHex(g.g_hex), fromHex(s.nonce_hex), g.slot);
      expect(toHex(key)).toBe(g.k_event_hex);
      for (const [p, salt] of Object.entries(g.salts_hex)) expect(toHex(await saltOf(e, key, p))).toBe(salt);
    }
  });

  it.runIf(present)('accepts the valid disclosures and refuses the others', async () => {
    const e = await make();
    for (const v of vectors.disclosures) {
      const check = async () => checkDisclosure(e, disclosureSchema.parse(v.disclosure), fromHex(v.fields_root_hex));
      if (!v.valid) {
        await expect(check(), v.about).rejects.toThrow();
        continue;
      }
      const result = await check();
      // eslint-disable-next-line @typescript-eslint/no-explicit-any
      const expected = (v.proven ?? []).map((f: any) => [f.path, f.value]);
      expect(result.fields.map((f) => [f.path, f.value]), v.about).toEqual(expected);
    }
  });

  it.runIf(present)('opens the checkpoint and refuses it with any bit of it changed', async () => {
    const e = await make();
    const key = await parseVerifierKey(e, vectors.log.vkey);
    const signed: string = vectors.log.checkpoint_of_size_257;
    const checkpoint = await openCheckpoint(e, signed, key);
    expect([checkpoint.origin, checkpoint.size, toHex(checkpoint.root)]).toEqual([vectors.log.origin, 257n, vectors.log.root_hex_by_size['257']]);
    const bytes = encode(signed);
    for (let i = 0; i < bytes.length; i += 3) {
      const bad = bytes.slice();
      bad[i] = (bad[i] as number) ^ 1;
      await expect((async () => openCheckpoint(e, new TextDecoder().decode(bad), key))(), `byte ${i}`).rejects.toThrow();
    }
    await expect(parseVerifierKey(e, vectors.log.vkey.replace(/\+([0-9a-f])/, (_: string, c: string) => `+${c === '0' ? '1' : '0'}`))).rejects.toThrow();
  });
});

describe('proofs', () => {
  it('folds every inclusion proof of every small tree, and no other', async () => {
    const e = await javascriptEngine();
    for (let size = 1; size <= 20; size++) {
      const leaves = await Promise.all(Array.from({ length: size }, (_, i) => leafHash(e, leafOf(i))));
      const root = await mth(e, leaves);
      for (let i = 0; i < size; i++) {
        const proof = await inclusion(e, leaves, i);
        expect(toHex(await rootFromInclusion(e, leaves[i] as Bytes, BigInt(i), BigInt(size), proof))).toBe(toHex(root));
        await expect(rootFromInclusion(e, leaves[i] as Bytes, BigInt(i), BigInt(size), [...proof, root])).rejects.toThrow();
        if (proof.length > 0) await expect(rootFromInclusion(e, leaves[i] as Bytes, BigInt(i), BigInt(size), proof.slice(1))).rejects.toThrow();
      }
    }
  });

  it.runIf(present)('checks the published consistency proof', async () => {
    const e = await javascriptEngine();
    const { consistency_proof_from_100_to_257: proof, root_hex_by_size: roots } = vectors.log;
    const hashes = proof.map((h: string) => (/^[0-9a-f]{64}$/.test(h) ? fromHex(h) : fromBase64(h)));
    const leaves = await Promise.all(Array.from({ length: 100 }, (_, i) => leafHash(e, leafOf(i))));
    const root100 = await mth(e, leaves);
    await checkConsistency(e, 100n, root100, 257n, fromHex(roots['257']), hashes);
    await expect(checkConsistency(e, 100n, fromHex(roots['255']), 257n, fromHex(roots['257']), hashes)).rejects.toThrow();
    await expect(checkConsistency(e, 101n, root100, 257n, fromHex(roots['257']), hashes)).rejects.toThrow();
    await expect(checkConsistency(e, 257n, fromHex(roots['257']), 257n, root100, [])).rejects.toThrow('forked');
    await expect(checkConsistency(e, 300n, root100, 257n, fromHex(roots['257']), [])).rejects.toThrow('shrunk');
  });

  it.runIf(present)('reads the index of a tlog-proof', () => {
    expect(indexOfProof(vectors.log.tlog_proof_of_leaf_99_at_size_257)).toBe(99n);
    expect(indexOfProof('nothing')).toBeNull();
  });
});

/** The vectors' rule: the text "leaf " followed by i as 8 bytes big-endian. */
function leafOf(i: number): Bytes {
  const out = new Uint8Array(13);
  out.set(encode('leaf '));
  new DataView(out.buffer).setBigUint64(5, BigInt(i));
  return out;
}

async function mth(e: Engine, leaves: Bytes[]): Promise<Bytes> {
  if (leaves.length === 1) return leaves[0] as Bytes;
  const k = split(leaves.length);
  return nodeHash(e, await mth(e, leaves.slice(0, k)), await mth(e, leaves.slice(k)));
}

async function inclusion(e: Engine, leaves: Bytes[], i: number): Promise<Bytes[]> {
  if (leaves.length === 1) return [];
  const k = split(leaves.length);
  return i < k
    ? [...(await inclusion(e, leaves.slice(0, k), i)), await mth(e, leaves.slice(k))]
    : [...(await inclusion(e, leaves.slice(k), i - k)), await mth(e, leaves.slice(0, k))];
}

function split(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}
