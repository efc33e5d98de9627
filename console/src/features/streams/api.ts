import { queryOptions } from '@tanstack/react-query';
import { request } from '../../api/client';
import { streamSchema, streamTestSchema, streamsSchema } from '../../api/schemas';

export const streamKinds = [
  { value: 'webhook', label: 'Webhook', about: 'Signed batches to a program of yours (Standard Webhooks).' },
  { value: 'splunk', label: 'Splunk', about: 'An HTTP Event Collector.' },
  { value: 'syslog', label: 'Syslog', about: 'RFC 5424 over TLS.' },
  { value: 's3', label: 'S3 bucket', about: 'NDJSON objects, at least one a minute while there are events.' },
  { value: 'nats', label: 'NATS JetStream', about: 'One message an event; the server drops repetitions by Nats-Msg-Id.' },
] as const;

export const kindLabel = (kind: string) => streamKinds.find((k) => k.value === kind)?.label ?? kind;

export const streamsQuery = queryOptions({
  queryKey: ['streams'], queryFn: ({ signal }) => request('GET', '/api/notify/streams', { schema: streamsSchema, signal }), staleTime: 0, refetchInterval: 5_000,
});

export interface NewStream {
  name: string;
  kind: string;
  format: string;
  unmasked: boolean;
  filter: { actions: string[]; sources: string[]; outcomes: string[] };
  settings: Record<string, unknown>;
  from_seq?: number;
}

const path = (id: string) => `/api/notify/streams/${encodeURIComponent(id)}`;

export const createStream = (stream: NewStream) => request('POST', '/api/notify/streams', { body: stream, schema: streamSchema });
export const changeStream = (id: string, change: { paused?: boolean; next_seq?: number }) => request('PATCH', path(id), { body: change, schema: streamSchema });
export const testStream = (id: string) => request('POST', `${path(id)}/test`, { schema: streamTestSchema });
export const deleteStream = (id: string) => request('DELETE', path(id));
