import { MantineProvider } from '@mantine/core';
import { act, cleanup, fireEvent, render, screen, waitFor } from '@testing-library/react';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { eventSchema } from '../api/schemas';
import { Changes } from '../features/events/Changes';
import { theme } from '../ui/theme';
import { problem, session, show } from './show';

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe('notices', () => {
  it('shows on every page that the log is frozen', async () => {
    show('/exports', { 'GET /api/session': [200, { ...session(['ledger.search', 'exports.create']), notices: ['The log is frozen and takes no events: the disk died.'] }], 'GET /api/exports': [200, { items: [] }] });
    expect((await screen.findByRole('alert', {}, { timeout: 8000 })).textContent).toContain('The log is frozen');
  }, 15000);
});

describe('sign-in', () => {
  it('counts down while attempts are throttled', async () => {
    show('/signin', { 'GET /api/session': [401, {}], 'POST /api/session': [429, problem(429, 'Too Many Requests', ''), { 'Retry-After': '90' }] });
    fireEvent.change(await screen.findByLabelText('E-mail', {}, { timeout: 8000 }), { target: { value: 'a@b.example' } });
    fireEvent.change(screen.getByLabelText('Password'), { target: { value: 'x' } });
    await act(async () => fireEvent.click(screen.getByRole('button', { name: 'Sign in' })));
    expect(await screen.findByText('Too many attempts')).toBeTruthy();
    expect(screen.getByText(/1 min 30 s|1 min 29 s/)).toBeTruthy();
    expect((screen.getByRole('button', { name: 'Sign in' }) as HTMLButtonElement).disabled).toBe(true);
  }, 15000);

  it('asks for what is missing before it asks the server', async () => {
    const { asked } = show('/signin', { 'GET /api/session': [401, {}] });
    fireEvent.click(await screen.findByRole('button', { name: 'Sign in' }, { timeout: 8000 }));
    expect(await screen.findByText('Enter your password')).toBeTruthy();
    expect(asked.some((a) => a.key === 'POST /api/session')).toBe(false);
  }, 15000);

  it('sends who is not signed in there, and remembers where they were going', async () => {
    const { router } = show('/exports', { 'GET /api/session': [401, {}] });
    await screen.findByLabelText('E-mail', {}, { timeout: 8000 });
    expect(router.state.location.pathname).toBe('/signin');
    expect(router.state.location.search).toEqual({ next: '/exports' });
  }, 15000);

  it('follows no address of another site', async () => {
    for (const next of ['//evil.example', 'https://evil.example', '/\\evil.example', 'javascript:alert(1)']) {
      const { router } = show(`/signin?next=${encodeURIComponent(next)}`, {
        'GET /api/session': [401, {}], 'POST /api/session': [200, session(['ledger.search'])], 'GET /api/events': [200, { items: [] }],
      });
      fireEvent.change(await screen.findByLabelText('E-mail', {}, { timeout: 8000 }), { target: { value: 'a@b.example' } });
      fireEvent.change(screen.getByLabelText('Password'), { target: { value: 'x' } });
      await act(async () => fireEvent.click(screen.getByRole('button', { name: 'Sign in' })));
      await waitFor(() => expect(router.state.location.pathname).toBe('/events'), { timeout: 8000 });
      cleanup();
    }
  }, 40000);
});

describe('pages', () => {
  it('tell a problem in full, with its request id and a way to try again', async () => {
    show('/exports', { 'GET /api/session': [200, session([])], 'GET /api/exports': [503, problem(503, 'Unavailable', 'The disk is full.')] });
    expect(await screen.findByText('The server is not ready', {}, { timeout: 8000 })).toBeTruthy();
    expect(screen.getByText('The disk is full.')).toBeTruthy();
    expect(screen.getByText('req-77')).toBeTruthy();
    expect(screen.getByRole('button', { name: 'Try again' })).toBeTruthy();
  }, 15000);

  it('show exports with progress, reasons and downloads of their own server only', async () => {
    const job = (id: string, more: object) => ({ id, format: 'csv', rows_done: 5, bytes: 10, rate: 0, created_at: '2026-01-01T00:00:00Z', ...more });
    show('/exports', {
      'GET /api/session': [200, session(['exports.create'])],
      'GET /api/exports': [200, { items: [
        job('1', { status: 'running', rows_total: 10, rate: 2, eta_seconds: 3 }), job('2', { status: 'failed', error: 'Storage refused the file.' }),
        job('3', { status: 'done', download_url: 'https://evil.example/x' }), job('4', { status: 'done', download_url: '/api/exports/4/file?x=1' }),
      ] }],
    });
    expect(await screen.findByText('Storage refused the file.', {}, { timeout: 8000 })).toBeTruthy();
    expect(screen.getByText(/5 of 10 · 2 rows\/s · 3 s left/)).toBeTruthy();
    expect(screen.getByRole('progressbar').getAttribute('aria-valuenow')).toBe('50');
    expect(screen.getAllByRole('link', { name: 'Download' }).map((a) => a.getAttribute('href'))).toEqual(['/api/exports/3/file', '/api/exports/4/file?x=1']);
  }, 15000);

  it('show jobs with progress, failures and what may be done about them', async () => {
    const job = (id: number, more: object) => ({ id, kind: 'export.write', queue: 'exports', args: { export: `e-${id}` }, attempt: 1, max_attempts: 5, errors: [], done: 0, rate: 0, created_at: '2026-01-01T00:00:00Z', due_at: '2026-01-01T00:00:00Z', ...more });
    const { asked, router } = show('/jobs?state=dead', {
      'GET /api/session': [200, session(['jobs.view', 'jobs.manage'])],
      'GET /api/jobs': [200, { items: [
        job(4, { state: 'running', done: 5, total: 10, rate: 2, eta_seconds: 3 }), job(3, { state: 'dead', attempt: 5, errors: [{ attempt: 5, at: '2026-01-01T00:00:00Z', message: 'The disk is full.' }] }),
        job(2, { state: 'retrying', attempt: 2 }), job(1, { state: 'done' }), job(0, { kind: 'verification', state: 'done', args: {}, result: 'Failed verification' }),
      ] }],
      'POST /api/jobs/3/retry': [409, problem(409, 'Conflict', 'The export of this job is not there any more.')],
    });
    expect(await screen.findByText('The disk is full.', {}, { timeout: 8000 })).toBeTruthy();
    expect(screen.getByText(/5 of 10 · 2\/s · 3 s left/)).toBeTruthy();
    expect(screen.getByText('Verification of the log')).toBeTruthy();
    expect(screen.getByText(/^Failed verification/)).toBeTruthy();
    expect(screen.getAllByRole('link', { name: 'Log integrity' })[0]).toBeTruthy();
    expect(screen.getAllByRole('progressbar').map((p) => p.getAttribute('aria-valuenow'))).toEqual(['50']);
    expect(screen.getAllByRole('button', { name: / job \d$/ }).map((b) => b.getAttribute('aria-label'))).toEqual(['Cancel job 4', 'Replay job 3', 'Delete job 3', 'Run now job 2', 'Cancel job 2']);
    await act(async () => fireEvent.click(screen.getByRole('button', { name: 'Replay job 3' })));
    expect(await screen.findByText('The export of this job is not there any more.')).toBeTruthy();
    expect(asked.some((a) => a.key === 'POST /api/jobs/3/retry')).toBe(true);
    fireEvent.change(screen.getByLabelText('State'), { target: { value: '' } });
    await waitFor(() => expect(router.state.location.search).toEqual({}));
  }, 15000);

  it('show jobs to who may see them, and offer no more than they may do', async () => {
    show('/jobs', { 'GET /api/session': [200, session(['jobs.view'])], 'GET /api/jobs': [200, { items: [{ id: 1, kind: 'other.kind', state: 'queued', created_at: '2026-01-01T00:00:00Z' }] }] });
    expect(await screen.findByText('other.kind', {}, { timeout: 8000 })).toBeTruthy();
    expect(screen.queryByRole('button', { name: /Cancel/ })).toBeNull();
    cleanup();
    const { asked } = show('/jobs', { 'GET /api/session': [200, session(['exports.create'])] });
    expect(await screen.findByText('Jobs are for administrators', {}, { timeout: 8000 })).toBeTruthy();
    expect(asked.some((a) => a.key.startsWith('GET /api/jobs'))).toBe(false);
    expect(screen.queryByRole('link', { name: 'Jobs' })).toBeNull();
  }, 20000);

  it('hide settings from who may not change them', async () => {
    show('/settings', { 'GET /api/session': [200, session(['ledger.search'])] });
    expect(await screen.findByText('Settings are for administrators', {}, { timeout: 8000 })).toBeTruthy();
    expect(screen.queryByRole('link', { name: 'Settings' })).toBeNull();
  }, 15000);
});

describe('changes', () => {
  const draw = (changes: unknown[], fields_state: Record<string, string> = {}) =>
    render(
      <MantineProvider theme={theme} env="test">
        <div data-testid="drawn">
          <Changes view={eventSchema.parse({ seq: 1, changes, fields_state })} />
        </div>
      </MantineProvider>,
    ).getByTestId('drawn').textContent;

  it('tell null, empty and absent apart', () => {
    expect(draw([{ path: '/a', before: null, after: '' }])).toBe('/aBeforenull Afterempty text ');
    cleanup();
    expect(draw([{ path: '/a', op: 'add', after: 0 }])).toContain('was not there');
  });

  it('show the state in place of what the reader may not see', () => {
    expect(draw([{ path: '/mail', before: null, after: 'a***' }], { '/changes/0/before': 'erased', '/changes/0/after': 'masked' })).toBe('/mailBefore erasedAftera*** masked');
    cleanup();
    expect(draw([], { '/changes': 'withheld' })).toContain('withheld');
    cleanup();
    expect(draw([null], { '/changes/0': 'withheld' })).toBe('A change withheld');
  });

  it('never runs what was recorded', () => {
    const { container } = render(
      <MantineProvider theme={theme} env="test">
        <Changes view={eventSchema.parse({ seq: 1, changes: [{ path: '<img src=x onerror=alert(1)>', before: '<script>1</script>', after: { a: '<b>x</b>' } }] })} />
      </MantineProvider>,
    );
    expect(container.querySelector('img, script, b')).toBeNull();
    expect(container.textContent).toContain('<script>1</script>');
  });
});

describe('alerts', () => {
  const rule = {
    id: 'r1', name: 'Many denied', filter: { outcome: ['denied'] }, threshold: { more_than: 20, window_seconds: 300, group_by: 'actor' }, cool_down_seconds: 300, severity: 'error', channels: [], enabled: true, open: 1, behind: 0, created_at: '2026-01-01T00:00:00Z',
  };
  const raised = {
    id: 'a1', rule_id: 'r1', rule: 'Many denied', severity: 'error', state: 'firing', group_by: 'actor', group: 'Ana Lima', handle: 42, fired_at: '2026-01-01T00:00:00Z', last_at: '2026-01-01T00:01:00Z', events: 21, samples: [7, 6], first_seq: 7, last_seq: 9, notified: true,
  };
  const may = ['ledger.search', 'notify.view', 'notify.manage'];

  it('acknowledges an alert with a note', async () => {
    const { asked } = show('/alerts?alert=a1', {
      'GET /api/session': [200, session(may)], 'GET /api/alerts': [200, { items: [raised] }], 'GET /api/alert-rules': [200, { items: [rule] }], 'GET /api/alerts/a1': [200, raised],
      'POST /api/alerts/a1/acknowledge': [200, { ...raised, state: 'acknowledged' }],
    });
    fireEvent.change(await screen.findByLabelText('Note', {}, { timeout: 8000 }), { target: { value: 'seen' } });
    expect(screen.getByRole('link', { name: '7' }).getAttribute('href')).toBe('/events/7');
    await act(async () => fireEvent.click(screen.getByRole('button', { name: 'Acknowledge' })));
    await waitFor(() => expect(asked.find((a) => a.key === 'POST /api/alerts/a1/acknowledge')?.body).toEqual({ note: 'seen' }));
  }, 15000);

  it('keeps what a rule has and its form does not show', async () => {
    const { asked } = show('/alerts?tab=rules', {
      'GET /api/session': [200, session(may)], 'GET /api/alert-rules': [200, { items: [{ ...rule, filter: { outcome: ['denied'], 'field.ward': ['3'] } }] }], 'GET /api/notify/channels': [200, { items: [] }],
      'PUT /api/alert-rules/r1': [200, rule],
    });
    fireEvent.click(await screen.findByRole('button', { name: 'Change Many denied' }, { timeout: 8000 }));
    await act(async () => fireEvent.click(screen.getByRole('button', { name: 'Save' })));
    await waitFor(() =>
      expect(asked.find((a) => a.key === 'PUT /api/alert-rules/r1')?.body).toEqual({
        name: 'Many denied', filter: { 'field.ward': ['3'], outcome: ['denied'] }, cool_down_seconds: 300, threshold: { more_than: 20, window_seconds: 300, group_by: 'actor' }, severity: 'error', channels: [], enabled: true,
      }),
    );
  }, 15000);

  it('says that nothing is watched, and what went wrong', async () => {
    show('/alerts', { 'GET /api/session': [200, session(may)], 'GET /api/alerts': [200, { items: [] }], 'GET /api/alert-rules': [200, { items: [] }] });
    expect(await screen.findByText('Nothing is watched yet', {}, { timeout: 8000 })).toBeTruthy();
    cleanup();
    show('/alerts', { 'GET /api/session': [200, session(may)], 'GET /api/alerts': [503, problem(503, 'Service Unavailable', 'the disk is full')], 'GET /api/alert-rules': [200, { items: [] }] });
    expect(await screen.findByText(/the disk is full/, {}, { timeout: 8000 })).toBeTruthy();
  }, 20000);

  it('shows a dead stream and sends again from a position', async () => {
    const stream = {
      id: 's1', name: 'SIEM', kind: 'nats', format: 'ocsf', filter: {}, target: 'audit.events at nats.example.com', next_seq: 5, behind: 12, sent: 5, paused: 'it stopped working: the connection was refused', failures: 900, created_at: '2026-01-01T00:00:00Z',
    };
    const { asked } = show('/streams', { 'GET /api/session': [200, session(may)], 'GET /api/notify/streams': [200, { items: [stream] }], 'PATCH /api/notify/streams/s1': [200, stream] });
    expect(await screen.findByText('dead', {}, { timeout: 8000 })).toBeTruthy();
    fireEvent.click(screen.getByRole('button', { name: 'Send again from… SIEM' }));
    fireEvent.change(await screen.findByLabelText('From event'), { target: { value: '2' } });
    await act(async () => fireEvent.click(screen.getByRole('button', { name: 'Send from there' })));
    await waitFor(() => expect(asked.find((a) => a.key === 'PATCH /api/notify/streams/s1')?.body).toEqual({ next_seq: 2 }));
  }, 15000);
});
