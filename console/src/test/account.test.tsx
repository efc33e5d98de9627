import { act, cleanup, fireEvent, screen, waitFor } from '@testing-library/react';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { problem, session, show } from './show';

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const wait = { timeout: 8000 };
const stepUpProblem = { ...problem(401, 'Prove who you are', 'This needs a proof.'), type: '/api/docs#problem-step_up_required', ways: ['totp', 'recovery_code'] };

describe('step-up', () => {
  it('asks for a proof and does again what was refused', async () => {
    const answers: Record<string, [number, unknown]> = {
      'GET /api/session': [200, session(['access.manage'])], 'GET /api/session/factors': [200, { items: [{ id: 'f', kind: 'totp', name: 'Phone' }], recovery_codes: 9 }], 'GET /api/sessions': [200, { items: [] }],
      'POST /api/session/recovery-codes': [401, stepUpProblem], 'POST /api/session/step-up': [204, null],
    };
    const { asked } = show('/account', answers);
    await act(async () => fireEvent.click(await screen.findByRole('button', { name: 'New recovery codes' }, wait)));
    const code = await screen.findByLabelText('Code', {}, wait);
    fireEvent.change(code, { target: { value: '123456' } });
    answers['POST /api/session/recovery-codes'] = [200, { recovery_codes: ['aaaa-bbbb-cccc-dddd'] }];
    await act(async () => fireEvent.click(screen.getByRole('button', { name: 'Go on' })));
    expect(await screen.findByText('aaaa-bbbb-cccc-dddd', {}, wait)).toBeTruthy();
    expect(asked.filter((a) => a.key === 'POST /api/session/recovery-codes')).toHaveLength(2);
    expect(asked.find((a) => a.key === 'POST /api/session/step-up')?.body).toEqual({ code: '123456' });
  }, 20000);

  it('does nothing when the person gives none, and stays signed in', async () => {
    const { asked, router } = show('/account', {
      'GET /api/session': [200, session([])], 'GET /api/session/factors': [200, { items: [{ id: 'f', kind: 'totp', name: 'Phone' }], recovery_codes: 9 }], 'GET /api/sessions': [200, { items: [] }],
      'POST /api/session/recovery-codes': [401, stepUpProblem],
    });
    await act(async () => fireEvent.click(await screen.findByRole('button', { name: 'New recovery codes' }, wait)));
    await screen.findByLabelText('Code', {}, wait);
    await act(async () => fireEvent.keyDown(screen.getByRole('dialog'), { key: 'Escape', code: 'Escape' }));
    await waitFor(() => expect(screen.queryByLabelText('Code')).toBeNull(), wait);
    expect(router.state.location.pathname).toBe('/account');
    expect(asked.filter((a) => a.key === 'POST /api/session/recovery-codes')).toHaveLength(1);
  }, 20000);
});

describe('second step', () => {
  const fill = async () => {
    fireEvent.change(await screen.findByLabelText('E-mail', {}, wait), { target: { value: 'a@b.example' } });
    fireEvent.change(screen.getByLabelText('Password'), { target: { value: 'x' } });
    await act(async () => fireEvent.click(screen.getByRole('button', { name: 'Sign in' })));
  };

  it('signs in with a code', async () => {
    const { asked, router } = show('/signin?next=%2F%2Fevil.example', {
      'GET /api/session': [401, {}], 'POST /api/session': [202, { token: 'ps_1', ways: ['totp'] }], 'POST /api/session/second-factor': [200, session(['ledger.search'])], 'GET /api/events': [200, { items: [] }],
    });
    await fill();
    fireEvent.change(await screen.findByLabelText('Code', {}, wait), { target: { value: '123 456' } });
    await act(async () => fireEvent.click(screen.getByRole('button', { name: 'Sign in' })));
    await waitFor(() => expect(router.state.location.pathname).toBe('/events'), wait);
    expect(asked.find((a) => a.key === 'POST /api/session/second-factor')?.body).toEqual({ token: 'ps_1', code: '123 456' });
  }, 20000);

  it('leads to setting up a factor where one is demanded, and shows the recovery codes once', async () => {
    const { router } = show('/signin', {
      'GET /api/session': [401, {}], 'POST /api/session': [202, { token: 'ps_1', ways: [], enrol: true }],
      'POST /api/session/enrolment': [200, { id: 'f1', kind: 'totp', totp: { secret: 'ABCDEFGH', url: 'otpauth://totp/x', qr: ['10', '01'] } }],
      'POST /api/session/enrolment/f1/confirm': [200, { session: session(['ledger.search']), recovery_codes: ['aaaa-bbbb-cccc-dddd'] }], 'GET /api/events': [200, { items: [] }],
    });
    await fill();
    await act(async () => fireEvent.click(await screen.findByRole('button', { name: 'Set up' }, wait)));
    expect((await screen.findByTestId('totp-key', {}, wait)).textContent).toBe('ABCDEFGH');
    expect(screen.getByRole('img', { name: /QR code/ })).toBeTruthy();
    fireEvent.change(screen.getByLabelText('Code'), { target: { value: '123456' } });
    await act(async () => fireEvent.click(screen.getByRole('button', { name: 'Confirm' })));
    expect(await screen.findByText('aaaa-bbbb-cccc-dddd', {}, wait)).toBeTruthy();
    expect(router.state.location.pathname).toBe('/signin');
    await act(async () => fireEvent.click(screen.getByRole('button', { name: 'I have kept them' })));
    await waitFor(() => expect(router.state.location.pathname).toBe('/events'), wait);
  }, 20000);
});
