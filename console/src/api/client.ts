import * as z from 'zod/mini';
import { parseJSON } from './json';

/** One member of a problem's `errors`, RFC 9457 style. */
export interface FieldProblem {
  pointer: string;
  code: string;
  detail: string;
}

/** An answer that is not a success, as application/problem+json tells it, or the nearest thing to it. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    /** The request id, to be quoted to whoever runs the server. */
    readonly requestId: string,
    readonly fields: FieldProblem[] = [],
    /** Seconds to wait, when the server named them. */
    readonly retryAfter: number | null = null,
    /** What tells problems of one status apart, such as step_up_required; '' for most. */
    readonly kind: string = '',
    /** How the person can prove who they are, of step_up_required. */
    readonly ways: string[] = [],
  ) {
    super(detail || title);
  }
}

let csrf = '';
let onSignedOut: () => void = () => {};
let stepUp: ((ways: string[]) => Promise<boolean>) | null = null;

/** Names who asks the person to prove who they are, before something grave. It answers whether they did. */
export function setStepUpHandler(handler: ((ways: string[]) => Promise<boolean>) | null): void {
  stepUp = handler;
}

/** Remembers the CSRF token of the session; it goes with every unsafe request. */
export function setCsrfToken(token: string): void {
  csrf = token;
}

/** Names who is told when the server no longer knows the session. */
export function setSignedOutHandler(handler: () => void): void {
  onSignedOut = handler;
}

export type Query = Record<string, string | number | boolean | readonly string[] | null | undefined>;

/** Builds a query string; lists repeat their name, empty values are left out. */
export function queryString(query: Query = {}): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const v of Array.isArray(value) ? value : [value]) {
      if (v !== undefined && v !== null && v !== '') params.append(name, String(v));
    }
  }
  const text = params.toString();
  return text ? `?${text}` : '';
}

interface Options<T> {
  query?: Query;
  body?: unknown;
  schema?: z.core.$ZodType<T>;
  signal?: AbortSignal;
  /** A 401 is an answer here, not the end of the session (signing in). */
  quiet401?: boolean;
}

/** Sends a request and checks the answer against a schema. Throws {@link ApiError}. */
export async function request<T = void>(method: string, path: string, options: Options<T> = {}): Promise<T> {
  const { response, text } = await exchange(method, path + queryString(options.query), options);
  if (!options.schema) return undefined as T;
  return check(options.schema, text, response, path);
}

/** Fetches a text such as a checkpoint or a list of keys. */
export async function requestText(path: string, signal?: AbortSignal): Promise<string> {
  return (await exchange('GET', path, signal ? { signal } : {})).text;
}

/** Sends a request. What needs a late proof of who the person is asks them for it, and is then sent again. */
async function exchange(method: string, url: string, options: Options<unknown>, again = false): Promise<{ response: Response; text: string }> {
  const response = await send(method, url, options);
  const text = await response.text();
  if (response.ok) return { response, text };
  const error = problem(response, text);
  if (error.kind === 'step_up_required') {
    if (!again && stepUp && (await stepUp(error.ways))) return exchange(method, url, options, true);
  } else if (response.status === 401 && !options.quiet401) onSignedOut();
  throw error;
}

async function send(method: string, url: string, options: Options<unknown>): Promise<Response> {
  const headers: Record<string, string> = { Accept: 'application/json, application/problem+json' };
  if (options.body !== undefined) headers['Content-Type'] = 'application/json';
  if (method !== 'GET' && method !== 'HEAD' && csrf) headers['X-CSRF-Token'] = csrf;
  try {
    return await fetch(url, {
      method,
      headers,
      credentials: 'same-origin',
      ...(options.body !== undefined ? { body: JSON.stringify(options.body) } : {}),
      ...(options.signal ? { signal: options.signal } : {}),
    });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    throw new ApiError(0, 'No connection', 'The server could not be reached. Check the network, then try again.', '');
  }
}

function check<T>(schema: z.core.$ZodType<T>, text: string, response: Response, path: string): T {
  let value: unknown;
  try {
    value = parseJSON(text);
  } catch {
    throw new ApiError(response.status, 'Unreadable answer', `The server's answer to ${path} is not JSON.`, response.headers.get('X-Request-Id') ?? '');
  }
  const result = z.safeParse(schema, value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const where = issue ? `${issue.path.join('.')}: ${issue.message}` : 'unknown';
  throw new ApiError(
    response.status,
    'Unexpected answer',
    `The server's answer to ${path} is not what this console expects (${where}). It may be of another version: reload the page.`,
    response.headers.get('X-Request-Id') ?? '',
  );
}

function problem(response: Response, text: string): ApiError {
  let body: Record<string, unknown> = {};
  try {
    const parsed = parseJSON(text);
    if (parsed && typeof parsed === 'object') body = parsed as Record<string, unknown>;
  } catch {
    body = {}; // a proxy answered with a page of its own
  }
  const words = (key: string): string => (typeof body[key] === 'string' ? (body[key] as string) : '');
  const fields = Array.isArray(body['errors'])
    ? (body['errors'] as Record<string, unknown>[]).map((e) => ({
        pointer: String(e['pointer'] ?? ''),
        code: String(e['code'] ?? ''),
        detail: String(e['detail'] ?? e['message'] ?? ''),
      }))
    : [];
  return new ApiError(
    response.status,
    words('title') || `Error ${response.status}`,
    words('detail'),
    words('instance') || (response.headers.get('X-Request-Id') ?? ''),
    fields,
    seconds(response.headers.get('Retry-After')),
    /#problem-([a-z_]+)$/.exec(words('type'))?.[1] ?? '',
    Array.isArray(body['ways']) ? body['ways'].map(String) : [],
  );
}

/** Reads Retry-After: seconds, or a date. */
function seconds(header: string | null): number | null {
  if (!header) return null;
  if (/^\d+$/.test(header)) return Number(header);
  const at = Date.parse(header);
  return Number.isNaN(at) ? null : Math.max(0, Math.ceil((at - Date.now()) / 1000));
}
