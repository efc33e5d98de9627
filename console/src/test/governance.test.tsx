import { act, cleanup, fireEvent, screen, waitFor, within } from '@testing-library/react';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { problem, session, show } from './show';

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const may = ['ledger.search', 'settings.manage', 'notify.view', 'exports.create'];
const log = { log_id: 'l-1', origin: 'audit.example/l-1', epoch: 0, size: 12, sealed_size: 12, segments: 1, vkey: 'k', checkpoint: null };
const hold = { id: 'h1', first_seq: 0, end_seq: 0, reason: 'Matter 14', placed_at: '2026-01-01T00:00:00Z', placed_by: 'Ana Lima', state: 'active', objects: 3, pending: false };

describe('legal holds', () => {
  const page = (holds: unknown, more = {}) => show('/log', { 'GET /api/session': [200, session(may)], 'GET /api/log': [200, { logs: [log] }], 'GET /api/evidence/holds': [200, holds], ...more });

  it('are listed with their state, and released ones on demand', async () => {
    page({ possible: true, items: [
      { ...hold, id: 'h3', reason: 'Matter 16', pending: true, first_seq: 5, end_seq: 9 }, hold,
      { ...hold, id: 'h2', reason: 'Matter 15', state: 'released', released_at: '2026-01-02T00:00:00Z', released_by: 'Bo Sund', release_reason: 'closed' },
    ] });
    const list = await screen.findByRole('list', { name: 'Legal holds' }, { timeout: 8000 });
    expect(within(list).getAllByRole('listitem').map((li) => li.textContent)).toEqual([
      expect.stringMatching(/^Matter 16pendingEvents 5 to 8 · 3 objectsPlaced by Ana Lima on .*goes on trying\.Release$/),
      expect.stringMatching(/^Matter 14activeThe whole log, and what is recorded later · 3 objectsPlaced by Ana Lima on .*Release$/),
    ]);
    fireEvent.click(screen.getByRole('button', { name: 'Show 1 released one' }));
    expect(screen.getByText(/^Released by Bo Sund on .*: closed$/)).toBeTruthy();
    expect(screen.queryByRole('button', { name: 'Release Matter 15' })).toBeNull();
  }, 15000);

  it('are placed on a part of the log, with a reason', async () => {
    const { asked } = page({ possible: true, items: [] }, { 'POST /api/evidence/holds': [201, hold] });
    fireEvent.click(await screen.findByRole('button', { name: 'Place a hold' }, { timeout: 8000 }));
    fireEvent.click(await screen.findByLabelText('Part of the log'));
    fireEvent.change(screen.getByLabelText('First event'), { target: { value: '5' } });
    fireEvent.change(screen.getByLabelText('Last event'), { target: { value: '4' } });
    await act(async () => fireEvent.click(screen.getByRole('button', { name: 'Place the hold' })));
    expect(screen.getByText('This is before the first event')).toBeTruthy();
    expect(screen.getByText('Say why; it is recorded in the log')).toBeTruthy();
    expect(asked.some((a) => a.key === 'POST /api/evidence/holds')).toBe(false);
    fireEvent.change(screen.getByLabelText('Last event'), { target: { value: '8' } });
    fireEvent.change(screen.getByLabelText(/^Reason/), { target: { value: ' Matter 16 ' } });
    await act(async () => fireEvent.click(screen.getByRole('button', { name: 'Place the hold' })));
    await waitFor(() => expect(asked.find((a) => a.key === 'POST /api/evidence/holds')?.body).toEqual({ reason: 'Matter 16', first_seq: 5, end_seq: 9 }));
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  }, 15000);

  it('are released with a reason', async () => {
    const { asked } = page({ possible: true, items: [hold] }, { 'POST /api/evidence/holds/h1/release': [409, problem(409, 'Conflict', 'the hold is released already')] });
    fireEvent.click(await screen.findByRole('button', { name: 'Release Matter 14' }, { timeout: 8000 }));
    await act(async () => fireEvent.click(screen.getByRole('button', { name: 'Release the hold' })));
    expect(asked.some((a) => a.key.startsWith('POST'))).toBe(false);
    fireEvent.change(screen.getByLabelText(/^Reason/), { target: { value: 'closed' } });
    await act(async () => fireEvent.click(screen.getByRole('button', { name: 'Release the hold' })));
    expect(await screen.findByText('the hold is released already')).toBeTruthy();
    expect(asked.find((a) => a.key === 'POST /api/evidence/holds/h1/release')?.body).toEqual({ reason: 'closed' });
  }, 15000);

  it('say what they need where they cannot be placed', async () => {
    page({ possible: false, items: [] });
    expect(await screen.findByText('Holds need an object store', {}, { timeout: 8000 })).toBeTruthy();
    expect(screen.queryByRole('button', { name: 'Place a hold' })).toBeNull();
    cleanup();
    page({ possible: true, items: [] }, { 'POST /api/evidence/holds': [415, problem(415, 'Unsupported Media Type', 'the bucket has no Object Lock')] });
    fireEvent.click(await screen.findByRole('button', { name: 'Place a hold' }, { timeout: 8000 }));
    fireEvent.change(await screen.findByLabelText(/^Reason/), { target: { value: 'Matter 14' } });
    await act(async () => fireEvent.click(screen.getByRole('button', { name: 'Place the hold' })));
    expect(await screen.findByText('The object store cannot hold evidence')).toBeTruthy();
    expect(screen.getByText('the bucket has no Object Lock')).toBeTruthy();
  }, 20000);

  it('are not asked for by who may not manage them, and tell a failure', async () => {
    const { asked } = show('/log', { 'GET /api/session': [200, session(['ledger.search'])], 'GET /api/log': [200, { logs: [log] }] });
    expect(await screen.findByText('Signed checkpoint', {}, { timeout: 8000 })).toBeTruthy();
    expect(asked.some((a) => a.key === 'GET /api/evidence/holds')).toBe(false);
    cleanup();
    show('/log', { 'GET /api/session': [200, session(may)], 'GET /api/log': [200, { logs: [log] }], 'GET /api/evidence/holds': [503, problem(503, 'Unavailable', 'The disk is full.')] });
    expect(await screen.findByText('The disk is full.', {}, { timeout: 8000 })).toBeTruthy();
  }, 20000);
});

describe('keys', () => {
  const keys = {
    master: { kms: 'vault://v/transit/probity', version: '3', current_version: '4', since: '2026-01-01T00:00:00Z', tenants: 1, behind: 2, problem: '' },
    tenant: { primary: '771', keys: 2, since: '2026-01-01T00:00:00Z', wrapped_under: '3' },
    signing: [
      { key_id: 'b2', vkey: 'audit.example+b2+BBB', state: 'active', created_at: '2026-01-02T00:00:00Z' },
      { key_id: 'a1', vkey: 'audit.example+a1+AAA', state: 'overlap', created_at: '2025-01-01T00:00:00Z', retires_at: '2026-02-01T00:00:00Z' },
    ],
  };
  const page = (answer: [number, unknown]) => show('/settings?tab=crypto', { 'GET /api/session': [200, session(may)], 'GET /api/crypto/keys': [200, keys], 'POST /api/crypto/keys/rotate': answer });

  it('are shown with what is behind, their states and their verifier keys', async () => {
    page([200, keys]);
    expect(await screen.findByText('2 keysets and secrets not under the present version', {}, { timeout: 8000 })).toBeTruthy();
    const list = screen.getByRole('list', { name: 'Signing keys' });
    expect(within(list).getAllByRole('listitem').map((li) => li.textContent)).toEqual([
      expect.stringMatching(/^b2signsMade 02 Jan 2026 .*audit\.example\+b2\+BBB$/), expect.stringMatching(/^a1signs beside its successor.*signs until 01 Feb 2026.*audit\.example\+a1\+AAA$/),
    ]);
    expect(screen.getByRole('button', { name: 'Copy the verifier key a1' })).toBeTruthy();
  }, 15000);

  it('are rotated after the server has looked whether it could be done', async () => {
    const { asked } = page([200, keys]);
    fireEvent.click(await screen.findByRole('button', { name: 'Rotate the signing key' }, { timeout: 8000 }));
    const sent = () => asked.filter((a) => a.key.startsWith('POST')).map((a) => a.body);
    await act(async () => fireEvent.click(screen.getByRole('button', { name: 'Check first' })));
    expect(sent()).toEqual([]);
    fireEvent.change(screen.getByLabelText(/^Reason/), { target: { value: 'yearly' } });
    await act(async () => fireEvent.click(screen.getByRole('button', { name: 'Check first' })));
    expect(await screen.findByText('It can be done. Nothing has been changed yet.')).toBeTruthy();
    expect(screen.getByText(/^The present one \(b2\) signs beside it until/)).toBeTruthy();
    // Another overlap is another rotation, to be looked at again.
    fireEvent.change(screen.getByLabelText('Old and new key both sign for'), { target: { value: '7 days' } });
    await act(async () => fireEvent.click(await screen.findByRole('button', { name: 'Check first' })));
    await act(async () => fireEvent.click(await screen.findByRole('button', { name: 'Rotate now' })));
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
    const body = { key: 'signing', reason: 'yearly' };
    expect(sent()).toEqual([{ ...body, overlap: '30d', dry_run: true }, { ...body, overlap: '7d', dry_run: true }, { ...body, overlap: '7d' }]);
  }, 15000);

  it('say what to do where they cannot be rotated from here', async () => {
    page([403, problem(403, 'Forbidden', 'several tenants share the master key, so only the operator rotates it')]);
    fireEvent.click(await screen.findByRole('button', { name: 'Rotate the master key' }, { timeout: 8000 }));
    fireEvent.change(await screen.findByLabelText(/^Reason/), { target: { value: 'yearly' } });
    await act(async () => fireEvent.click(screen.getByRole('button', { name: 'Check first' })));
    expect(await screen.findByText('This cannot be done from here')).toBeTruthy();
    expect(screen.getByText('Several tenants share the master key, so only the operator rotates it.')).toBeTruthy();
    expect(screen.getByRole('button', { name: 'Copy the command' })).toBeTruthy();
    expect(screen.queryByRole('button', { name: 'Rotate now' })).toBeNull();
  }, 15000);
});

describe('schedules and alerts', () => {
  it('let an export wait for a legal hold', async () => {
    const { asked } = show('/schedules', { 'GET /api/session': [200, session(may)], 'GET /api/schedules': [200, { items: [] }], 'POST /api/schedules/preview': [200, { times: [] }], 'POST /api/schedules': [201, {}] });
    fireEvent.click((await screen.findAllByRole('button', { name: 'New schedule' }, { timeout: 8000 }))[0]!);
    fireEvent.change(await screen.findByLabelText('Name'), { target: { value: 'For the matter' } });
    fireEvent.change(screen.getByLabelText('Repeats'), { target: { value: 'event' } });
    fireEvent.change(screen.getByLabelText('What it waits for'), { target: { value: 'evidence.hold_placed' } });
    await act(async () => fireEvent.click(screen.getByRole('button', { name: 'Set up' })));
    await waitFor(() => expect(asked.find((a) => a.key === 'POST /api/schedules')?.body).toMatchObject({ name: 'For the matter', timing: { every: 'event', event: 'evidence.hold_placed' } }));
  }, 15000);

  it('tell when and why an alert ended, and lead to its events', async () => {
    const raised = { id: 'a1', rule_id: 'r1', rule: 'Many denied', severity: 'error', state: 'resolved', group_by: 'none', fired_at: '2026-01-01T00:00:00Z', last_at: '2026-01-01T00:01:00Z', events: 21, samples: [7],
      first_seq: 7, last_seq: 9, notified: true, resolved_at: '2026-01-01T00:06:00Z', resolved_because: 'its condition held no more' };
    show('/alerts?alert=a1', { 'GET /api/session': [200, session(may)], 'GET /api/alerts': [200, { items: [raised] }], 'GET /api/alert-rules': [200, { items: [] }], 'GET /api/alerts/a1': [200, raised] });
    expect(await screen.findByText(/It ended on .*: its condition held no more\./, {}, { timeout: 8000 })).toBeTruthy();
    expect(screen.getByText(/^ended .* ago$/)).toBeTruthy();
    expect(screen.getByRole('link', { name: 'What the log says of this alert' }).getAttribute('href')).toBe('/resources/alert/a1');
  }, 15000);
});
