import { afterEach, describe, expect, it, vi } from 'vitest';
import * as z from 'zod/mini';
import { ApiError, queryString, request, setCsrfToken, setSignedOutHandler } from './client';

function answer(status: number, body: string, headers: Record<string, string> = {}) {
  const fetchMock = vi.fn(async () => new Response(status === 204 ? null : body, { status, headers }));
  vi.stubGlobal('fetch', fetchMock);
  return fetchMock;
}

afterEach(() => {
  vi.unstubAllGlobals();
  setCsrfToken('');
  setSignedOutHandler(() => {});
});

async function failure(promise: Promise<unknown>): Promise<ApiError> {
  const error = await promise.then(() => null, (e: unknown) => e);
  expect(error).toBeInstanceOf(ApiError);
  return error as ApiError;
}

describe('request', () => {
  it('sends the CSRF token with unsafe methods only', async () => {
    setCsrfToken('t0ken');
    const calls = answer(204, '');
    await request('DELETE', '/api/session');
    await request('GET', '/api/session');
    const headers = calls.mock.calls.map((c) => ((c as unknown[])[1] as RequestInit).headers as Record<string, string>);
    expect(headers[0]?.['X-CSRF-Token']).toBe('t0ken');
    expect(headers[1]?.['X-CSRF-Token']).toBeUndefined();
  });

  it('reads a problem with its request id, fields and wait', async () => {
    answer(429, JSON.stringify({ title: 'Too many', detail: 'Slow down.', instance: 'req-1', errors: [{ pointer: '/email', code: 'x', detail: 'bad' }] }), { 'Retry-After': '17' });
    const e = await failure(request('POST', '/api/session', { body: {} }));
    expect([e.status, e.detail, e.requestId, e.retryAfter, e.fields[0]?.pointer]).toEqual([429, 'Slow down.', 'req-1', 17, '/email']);
  });

  it('takes a page from a proxy for what it is', async () => {
    answer(502, '<html>Bad gateway</html>', { 'X-Request-Id': 'abc' });
    const e = await failure(request('GET', '/api/events'));
    expect([e.status, e.title, e.requestId]).toEqual([502, 'Error 502', 'abc']);
  });

  it('says when the server is out of reach', async () => {
    vi.stubGlobal('fetch', vi.fn(async () => Promise.reject(new TypeError('failed'))));
    expect((await failure(request('GET', '/api/log'))).status).toBe(0);
  });

  it('tells that the session is over, except to who is signing in', async () => {
    const over = vi.fn();
    setSignedOutHandler(over);
    answer(401, '{}');
    await failure(request('POST', '/api/session', { quiet401: true }));
    expect(over).not.toHaveBeenCalled();
    await failure(request('GET', '/api/events'));
    expect(over).toHaveBeenCalledOnce();
  });

  it('refuses an answer of another shape and names the member', async () => {
    answer(200, '{"n":"x"}');
    const e = await failure(request('GET', '/api/x', { schema: z.object({ n: z.number() }) }));
    expect(e.detail).toContain('n:');
  });
});

describe('queryString', () => {
  it('repeats lists and leaves out what is empty', () => {
    expect(queryString({ a: ['x', 'y'], b: '', c: undefined, d: 0, e: 'ä&b' })).toBe('?a=x&a=y&d=0&e=%C3%A4%26b');
  });
});
