import type { EventProof, EventView } from '../api/schemas';
import { equal, fromBase64, hashFromBase64, toHex } from './bytes';
import { compareWithView } from './compare';
import type { Mismatch } from './compare';
import { chooseEngine } from './engine';
import type { Engine } from './engine';
import { checkDisclosure } from './fields';
import type { DisclosureResult } from './fields';
import { decodeLeaf } from './leaf';
import type { Leaf } from './leaf';
import { indexOfProof, openCheckpoint, parseVerifierKey } from './note';
import type { Checkpoint, VerifierKey } from './note';
import { leafHash, rootFromInclusion } from './tree';

/** One step of a verification, in words that a reader without the specification understands. */
export interface Step {
  id: 'leaf' | 'inclusion' | 'checkpoint' | 'fields' | 'view';
  title: string;
  ok: boolean;
  detail: string;
  /** Hashes and numbers, for those who want to compare. */
  facts: [string, string][];
}

export interface Verdict {
  ok: boolean;
  engine: string;
  steps: Step[];
  leaf: Leaf | null;
  disclosure: DisclosureResult | null;
  mismatches: Mismatch[];
  key: VerifierKey | null;
  checkpoint: Checkpoint | null;
}

/** Verifies a proof of an event with nothing but the proof itself; the reader still has to trust the key. */
export async function verifyEvent(proof: EventProof, view: EventView, engine?: Engine): Promise<Verdict> {
  const e = engine ?? (await chooseEngine());
  const verdict: Verdict = { ok: false, engine: e.name, steps: [], leaf: null, disclosure: null, mismatches: [], key: null, checkpoint: null };
  const add = async (id: Step['id'], title: string, run: () => Promise<Pick<Step, 'detail' | 'facts'>>): Promise<boolean> => {
    try {
      verdict.steps.push({ id, title, ok: true, ...(await run()) });
      return true;
    } catch (error) {
      verdict.steps.push({ id, title, ok: false, detail: `${sentence(error)}`, facts: [] });
      return false;
    }
  };
  let hash: Uint8Array<ArrayBuffer> = new Uint8Array();
  await add('leaf', 'The evidence of this event hashes to its leaf', async () => {
    const bytes = fromBase64(proof.leaf);
    verdict.leaf = decodeLeaf(bytes);
    hash = await leafHash(e, bytes);
    const told = proof.leaf_hash || view.leaf_hash;
    if (told && !equal(hash, anyHash(told))) throw new Error('the leaf does not hash to the leaf hash that the server names');
    return { detail: `${bytes.length} bytes of deterministic CBOR were decoded and hashed.`, facts: [['leaf hash', toHex(hash)]] };
  });
  await add('checkpoint', 'The log signed its head', async () => {
    const { key, checkpoint } = await openWithAny(e, proof);
    verdict.key = key;
    verdict.checkpoint = checkpoint;
    return {
      detail: `The Ed25519 signature of key ${key.id} on a tree of ${checkpoint.size} events is right.`,
      facts: [['origin', checkpoint.origin], ['tree size', String(checkpoint.size)], ['root', toHex(checkpoint.root)], ['key', `${key.name}+${key.id}`]],
    };
  });
  await add('inclusion', 'The leaf is in the tree that was signed', () => inclusion(e, proof, hash, verdict));
  await add('fields', 'The values are the ones that were committed to', () => fields(e, proof, verdict));
  await add('view', 'This page shows what is proven', async () => {
    if (!verdict.leaf || !verdict.disclosure) throw new Error('nothing is proven that the page could be compared with');
    const { compared, mismatches } = compareWithView(view, verdict.leaf, verdict.disclosure.fields);
    verdict.mismatches = mismatches;
    if (mismatches.length > 0) throw new Error(`this page shows another value than the proven one at ${mismatches.map((m) => m.path).join(', ')}`);
    return { detail: `${compared} values on this page were compared with the proven ones and are the same.`, facts: [] };
  });
  verdict.ok = verdict.steps.every((s) => s.ok);
  return verdict;
}

/** Opens the checkpoint with the first of the log's keys that signed it: after a rotation, old heads carry the old key's signature. */
async function openWithAny(e: Engine, proof: EventProof): Promise<{ key: VerifierKey; checkpoint: Checkpoint }> {
  let first: unknown = null;
  for (const vkey of new Set([proof.vkey, ...proof.vkeys].filter(Boolean))) {
    try {
      const key = await parseVerifierKey(e, vkey);
      return { key, checkpoint: await openCheckpoint(e, proof.checkpoint, key) };
    } catch (error) {
      first ??= error;
    }
  }
  throw first ?? new Error('the server named no key');
}

async function inclusion(e: Engine, proof: EventProof, hash: Uint8Array<ArrayBuffer>, verdict: Verdict): Promise<Pick<Step, 'detail' | 'facts'>> {
  const checkpoint = verdict.checkpoint;
  if (!checkpoint || hash.length === 0) throw new Error('without a leaf and a signed head there is nothing to compare');
  const index = indexOfProof(proof.tlog_proof) ?? BigInt(proof.leaf_index ?? proof.seq);
  if (checkpoint.size !== BigInt(proof.tree_size)) throw new Error('the proof and the checkpoint name different tree sizes');
  const path = proof.inclusion.map(hashFromBase64);
  const root = await rootFromInclusion(e, hash, index, checkpoint.size, path);
  if (!equal(root, checkpoint.root)) throw new Error('the path from the leaf does not lead to the root that was signed');
  return {
    detail: `${path.length} hashes lead from leaf ${index} to the signed root (RFC 6962).`,
    facts: path.map((p, i): [string, string] => [`node ${i + 1}`, toHex(p)]),
  };
}

async function fields(e: Engine, proof: EventProof, verdict: Verdict): Promise<Pick<Step, 'detail' | 'facts'>> {
  if (!verdict.leaf) throw new Error('without a leaf there are no commitments');
  if (!proof.disclosures) throw new Error('the server disclosed nothing');
  const d = await checkDisclosure(e, proof.disclosures, verdict.leaf.fieldsRoot);
  verdict.disclosure = d;
  const closed = [
    d.hidden > 0 ? `fields that stay closed: ${d.hidden}` : '',
    d.withheldGroups > 0 ? `groups withheld: ${d.withheldGroups}` : '',
    d.erasedGroups > 0 ? `groups erased: ${d.erasedGroups}` : '',
  ].filter(Boolean);
  return {
    detail: `${d.fields.length} values were recomputed into the root of fields that the leaf holds.${closed.length ? ` Their commitments are in the root all the same: ${closed.join(', ')}.` : ''}`,
    facts: [['fields root', toHex(verdict.leaf.fieldsRoot)]],
  };
}

/** A hash in base64 or hexadecimal, whichever the server writes. */
function anyHash(text: string): Uint8Array<ArrayBuffer> {
  if (/^[0-9a-f]{64}$/i.test(text)) return Uint8Array.from(text.match(/../g) ?? [], (h) => Number.parseInt(h, 16));
  return hashFromBase64(text);
}

function sentence(error: unknown): string {
  const text = error instanceof Error ? error.message : 'this step failed';
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
