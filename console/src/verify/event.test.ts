// @vitest-environment node
import { beforeAll, describe, expect, it } from 'vitest';
import { eventSchema, proofSchema } from '../api/schemas';
import type { EventProof, EventView } from '../api/schemas';
import { concat, encode, toBase64, u16 } from './bytes';
import type { Bytes } from './bytes';
import { micros } from './compare';
import { javascriptEngine } from './engine';
import type { Engine } from './engine';
import { verifyEvent } from './event';
import { commit, fieldsRoot, groupRoot } from './fields';
import { leafHash, nodeHash } from './tree';

/** A log of four leaves made here, with a key made here; the second leaf is the event under test. */
async function world(e: Engine): Promise<{ proof: EventProof; view: EventView }> {
  const salts = [1, 2, 3].map((n) => new Uint8Array(32).fill(n));
  const fields: [string, string][] = [['/actor/id', '"u1"'], ['/data/n', '12345678901234567890'], ['/severity', '"info"']];
  const open = await Promise.all(fields.map(([p, v], i) => commit(e, salts[i] as Bytes, p, v)));
  const hidden = new Uint8Array(32).fill(9);
  const closed = new Uint8Array(32).fill(7);
  const root = await fieldsRoot(e, [await groupRoot(e, 0, [...open, hidden]), closed]);
  const leaf = makeLeaf(root);
  const hash = await leafHash(e, leaf);
  const others = await Promise.all([0, 2, 3].map((n) => leafHash(e, encode(`leaf ${n}`))));
  const [a, c, d] = others as [Bytes, Bytes, Bytes];
  const right = await nodeHash(e, c, d);
  const top = await nodeHash(e, await nodeHash(e, a, hash), right);
  const { checkpoint, vkey } = await sign(e, top);
  return {
    proof: proofSchema.parse({
      seq: 1, leaf: toBase64(leaf), leaf_hash: toBase64(hash), leaf_index: 1, tree_size: 4, checkpoint, inclusion: [toBase64(a), toBase64(right)],
      tlog_proof: 'c2sp.org/tlog-proof@v1\nindex 1\n', vkey, vkeys: [vkey],
      disclosures: {
        groups: [
          { slot: 0, fields: [...fields.map(([path, value], i) => ({ path, value, salt: toBase64(salts[i] as Bytes) })), { hash: toBase64(hidden) }] },
          { slot: 1, state: 'erased', root: toBase64(closed) },
        ],
      },
    }),
    view: eventSchema.parse({
      seq: 1, source: 'shop', action: 'order.create', category: 'data', activity: 'create', outcome: { status: 'success' }, actor: { id: 'u1' }, severity: 'info',
      resource: null, recorded_at: '2026-11-21T10:00:00.000001Z', occurred_at: '2026-11-21T09:59:59.5Z',
    }),
  };
}

function makeLeaf(root: Bytes): Bytes {
  const text = (s: string): Bytes => concat(Uint8Array.of(0x60 | s.length), encode(s));
  const time = (rfc: string): Bytes => {
    const out = new Uint8Array(9);
    out[0] = 0x1b;
    new DataView(out.buffer).setBigUint64(1, BigInt(micros(rfc)));
    return out;
  };
  const key = (n: number): Bytes => Uint8Array.of(n);
  const tag = concat(Uint8Array.of(0x50), new Uint8Array(16));
  return concat(
    Uint8Array.of(0xab), key(0), text('probity/leaf/v1'), key(1), Uint8Array.of(0x50), new Uint8Array(16).fill(5), key(2), time('2026-11-21T10:00:00.000001Z'),
    key(3), time('2026-11-21T09:59:59.5Z'), key(4), text('shop'), key(5), text('order.create'), key(6), text('data'), key(7), text('create'), key(8), text('success'),
    key(11), Uint8Array.of(0x58, 32), root, key(12), Uint8Array.of(0x83), tag, tag, tag,
  );
}

async function sign(e: Engine, root: Bytes): Promise<{ checkpoint: string; vkey: string }> {
  const ed = await import('@noble/ed25519');
  const seed = new Uint8Array(32).fill(42);
  const name = 'probity.example/0123456789abcdef/0';
  const key = concat(Uint8Array.of(1), ed.getPublicKey(seed));
  const id = (await e.sha256(concat(encode(`${name}\n`), key))).slice(0, 4);
  const text = `${name}\n4\n${toBase64(root)}\n`;
  const signature = ed.sign(encode(text), seed);
  const hex = Array.from(id, (b) => b.toString(16).padStart(2, '0')).join('');
  return { checkpoint: `${text}\n\u2014 ${name} ${toBase64(concat(id, signature))}\n`, vkey: `${name}+${hex}+${toBase64(key)}` };
}

describe('verifying an event', () => {
  let e: Engine;
  let made: { proof: EventProof; view: EventView };
  beforeAll(async () => {
    e = await javascriptEngine();
    made = await world(e);
  });
  const failed = async (proof: unknown, view: EventView = made.view): Promise<string[]> =>
    (await verifyEvent(proof as EventProof, view, e)).steps.filter((s) => !s.ok).map((s) => s.id);

  it('passes, and says what is open and what is not', async () => {
    for (const engine of [e, undefined]) {
      const v = await verifyEvent(made.proof, made.view, engine);
      expect(v.steps.filter((s) => !s.ok)).toEqual([]);
      expect(v.ok).toBe(true);
      expect([v.disclosure?.fields.length, v.disclosure?.hidden, v.disclosure?.erasedGroups]).toEqual([3, 1, 1]);
    }
  });

  it('names the step that a change breaks', async () => {
    const { proof } = made;
    const flip = (b64: string): string => toBase64(Uint8Array.from(atob(b64), (c, i) => c.charCodeAt(0) ^ (i === 3 ? 1 : 0)));
    expect(await failed({ ...proof, inclusion: [flip(proof.inclusion[0] as string), proof.inclusion[1]] })).toEqual(['inclusion']);
    expect(await failed({ ...proof, inclusion: proof.inclusion.slice(1) })).toEqual(['inclusion']);
    expect(await failed({ ...proof, tlog_proof: 'index 2\n', leaf_index: 2 })).toEqual(['inclusion']);
    expect(await failed({ ...proof, leaf_hash: flip(proof.leaf_hash) })).toContain('leaf');
    expect(await failed({ ...proof, checkpoint: proof.checkpoint.replace('\n4\n', '\n5\n') })).toContain('checkpoint');
    expect(await failed({ ...proof, disclosures: null })).toEqual(['fields', 'view']);
  });

  it('refuses another value, another path and a field left out', async () => {
    const change = (edit: (fields: { path?: string; value?: string }[]) => void): unknown => {
      const copy = structuredClone(made.proof);
      edit(copy.disclosures?.groups[0]?.fields as { path?: string; value?: string }[]);
      return copy;
    };
    expect(await failed(change((f) => Object.assign(f[0] ?? {}, { value: '"u2"' })))).toContain('fields');
    expect(await failed(change((f) => Object.assign(f[0] ?? {}, { path: '/actor/ix' })))).toContain('fields');
    expect(await failed(change((f) => f.splice(1, 1)))).toContain('fields');
    expect(await failed(change((f) => f.reverse()))).toContain('fields');
    expect(await failed(change((f) => f.push({ ...f[0] })))).toContain('fields');
  });

  it('notices a page that shows something else', async () => {
    const with_ = (change: object): EventView => eventSchema.parse({ ...(made.view.raw as object), ...change });
    expect(await failed(made.proof, with_({ action: 'order.delete' }))).toEqual(['view']);
    expect(await failed(made.proof, with_({ actor: { id: 'u2' } }))).toEqual(['view']);
    expect(await failed(made.proof, with_({ recorded_at: '2026-11-21T10:00:00.000002Z' }))).toEqual(['view']);
    expect((await verifyEvent(made.proof, with_({ severity: 'high' }), e)).mismatches.map((m) => m.path)).toEqual(['/severity']);
  });

  it('takes a retired key when the new one did not sign', async () => {
    const other = 'probity.example/0123456789abcdef/0+00000000+AAAA';
    expect(await failed({ ...made.proof, vkey: other, vkeys: [other, made.proof.vkey] })).toEqual([]);
    expect(await failed({ ...made.proof, vkey: other, vkeys: [other] })).toContain('checkpoint');
  });
});

it('reads times to the microsecond', () => {
  expect(micros('1970-01-01T00:00:01.000002Z')).toBe('1000002');
  expect(micros('1970-01-01T01:00:00+01:00')).toBe('0');
  expect(micros('1969-12-31T23:59:59.5Z')).toBe('-500000');
  expect(micros('soon')).toBe('');
  expect(u16(258)).toEqual(Uint8Array.of(1, 2));
});
