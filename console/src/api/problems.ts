import { ApiError } from './client';

/** What to tell a person about an error. */
export interface Trouble {
  title: string;
  detail: string;
  requestId: string;
}

/** Words for any thrown value. */
export function trouble(error: unknown): Trouble {
  if (error instanceof ApiError) return { title: titleOf(error), detail: detailOf(error), requestId: error.requestId };
  if (error instanceof Error) return { title: 'Something went wrong in this page', detail: error.message, requestId: '' };
  return { title: 'Something went wrong', detail: '', requestId: '' };
}

function titleOf(error: ApiError): string {
  switch (error.status) {
    case 0:
      return 'No connection to the server';
    case 403:
      return 'You may not do this';
    case 404:
      return 'Not found';
    case 429:
      return 'Too many requests';
    case 503:
      return 'The server is not ready';
    default:
      return error.title;
  }
}

function detailOf(error: ApiError): string {
  const fields = error.fields.map((f) => [f.pointer, f.detail].filter(Boolean).join(': ')).filter(Boolean);
  const wait = error.retryAfter ? `Try again in ${error.retryAfter} s.` : '';
  return [error.detail, ...fields, wait].filter(Boolean).join(' ');
}
