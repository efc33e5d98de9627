import { queryOptions } from '@tanstack/react-query';
import * as z from 'zod/mini';
import { request } from '../../api/client';
import { holdsSchema, logsSchema, verifyStateSchema } from '../../api/schemas';
import type { LogView } from '../../api/schemas';
import { fromBase64, toBase64 } from '../../verify/bytes';
import { chooseEngine } from '../../verify/engine';
import { openCheckpoint, parseVerifierKey } from '../../verify/note';
import { checkConsistency } from '../../verify/tree';
import { rememberHead, seenHead } from '../proof/memory';

export const logQuery = queryOptions({
  queryKey: ['log'],
  queryFn: ({ signal }) => request('GET', '/api/log', { schema: logsSchema, signal }),
  refetchInterval: 15e3,
});

/** The server's own verification: its last result, or how far it is. */
export const verificationQuery = queryOptions({
  queryKey: ['log', 'verification'],
  queryFn: ({ signal }) => request('GET', '/api/log/verify', { schema: verifyStateSchema, signal }),
  refetchInterval: (q) => (q.state.data?.running ? 700 : false),
});

export function startVerification() {
  return request('POST', '/api/log/verify');
}

export const holdsQuery = queryOptions({
  queryKey: ['log', 'holds'],
  queryFn: ({ signal }) => request('GET', '/api/evidence/holds', { schema: holdsSchema, signal }),
  refetchInterval: (q) => (q.state.data?.items.some((h) => h.pending) ? 5_000 : 60_000),
});

/** Without an end the hold covers what is recorded later, too. end_seq is the seq after the last. */
export const placeHold = (hold: { first_seq: number; end_seq: number; reason: string }) => request('POST', '/api/evidence/holds', { body: hold });
export const releaseHold = (id: string, reason: string) => request('POST', `/api/evidence/holds/${encodeURIComponent(id)}/release`, { body: { reason } });

const consistencySchema = z.object({ proof: z.pipe(z.nullish(z.array(z.string())), z.transform((v): string[] => v ?? [])) });

export interface Watch {
  ok: boolean;
  detail: string;
}

/** Where the files of an epoch are. */
export function filesOf(log: LogView): string {
  return `/api/log/${encodeURIComponent(log.log_id)}${log.ended ? `/epoch/${log.epoch}` : ''}`;
}

/**
 * Checks the log's head here in the browser: its signature, and that it extends the head that this browser saw last. A log that dropped or
 * rewrote events between two visits cannot pass.
 */
export async function watchLog(log: LogView): Promise<Watch> {
  const signed = log.checkpoint?.text;
  if (!signed) return { ok: true, detail: 'Nothing is signed yet: the log is empty.' };
  try {
    const engine = await chooseEngine();
    const key = await parseVerifierKey(engine, log.vkey);
    const now = await openCheckpoint(engine, signed, key);
    const before = seenHead(now.origin);
    if (before) {
      const from = BigInt(before.size);
      const root = fromBase64(before.root);
      if (from > now.size) throw new Error(`the log has ${now.size} events, but this browser has seen it signed with ${from}`);
      const proof =
        from === now.size || from === 0n
          ? []
          : (await request('GET', `${filesOf(log)}/consistency`, { query: { from: from.toString(), to: now.size.toString() }, schema: consistencySchema })).proof;
      await checkConsistency(engine, from, root, now.size, now.root, proof.map(fromBase64));
    }
    rememberHead(now.origin, now.size, toBase64(now.root));
    const since = before ? `It extends the head of ${Number(before.size).toLocaleString('en')} events that this browser saw on ${before.at.slice(0, 10)}: nothing before that was changed or dropped.` : 'From now on this browser will notice if anything in it is changed or dropped.';
    return { ok: true, detail: `The signature on ${Number(now.size).toLocaleString('en')} events is right. ${since}` };
  } catch (error) {
    const text = error instanceof Error ? error.message : 'the check failed';
    return { ok: false, detail: `${text.charAt(0).toUpperCase()}${text.slice(1)}.` };
  }
}
