import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { request } from '../../api/client';
import { channelSchema, channelsSchema, deliveriesSchema, deliverySchema, kindsSchema, replayedSchema } from '../../api/schemas';

export const channelKinds = [
  { value: 'email', label: 'E-mail', about: 'To up to 50 addresses, over the mail server of this installation.' },
  { value: 'slack', label: 'Slack', about: 'An incoming webhook, or a bot’s token and a channel.' },
  { value: 'discord', label: 'Discord', about: 'A webhook of a channel.' },
  { value: 'pagerduty', label: 'PagerDuty', about: 'Events API v2. What is over is resolved there.' },
  { value: 'teams', label: 'Microsoft Teams', about: 'A workflow that is started by a webhook.' },
  { value: 'webhook', label: 'Webhook', about: 'Signed requests to a program of yours (Standard Webhooks).' },
] as const;

export type ChannelKind = (typeof channelKinds)[number]['value'];

export function kindLabel(kind: string): string {
  return channelKinds.find((k) => k.value === kind)?.label ?? kind;
}

export const channelsQuery = queryOptions({
  queryKey: ['notify', 'channels'], queryFn: ({ signal }) => request('GET', '/api/notify/channels', { schema: channelsSchema, signal }), staleTime: 0, refetchInterval: 15_000,
});
export const kindsQuery = queryOptions({
  queryKey: ['notify', 'kinds'], queryFn: ({ signal }) => request('GET', '/api/notify/kinds', { schema: kindsSchema, signal }), staleTime: Infinity,
});

/** Deliveries, newest first, fifty a page; dead letters alone when asked. Channels may have failed meanwhile, so that the list is read again. */
export const deliveriesQuery = (dead: boolean) =>
  infiniteQueryOptions({
    queryKey: ['notify', 'deliveries', dead],
    queryFn: ({ signal, pageParam }) =>
      request('GET', `/api/notify/${dead ? 'dead-letters' : 'deliveries'}?limit=50${pageParam ? `&cursor=${encodeURIComponent(pageParam)}` : ''}`, { schema: deliveriesSchema, signal }),
    initialPageParam: '',
    getNextPageParam: (page) => page.next_cursor || undefined,
    staleTime: 0,
    refetchInterval: 15_000,
  });

export const deliveryQuery = (id: string) =>
  queryOptions({ queryKey: ['notify', 'delivery', id], queryFn: ({ signal }) => request('GET', `/api/notify/deliveries/${encodeURIComponent(id)}`, { schema: deliverySchema, signal }), staleTime: 0 });

export interface NewChannel {
  name: string;
  kind: string;
  topics: string[];
  settings: Record<string, unknown>;
}

const path = (id: string) => `/api/notify/channels/${encodeURIComponent(id)}`;

export const createChannel = (channel: NewChannel) => request('POST', '/api/notify/channels', { body: channel, schema: channelSchema });
export const changeChannel = (id: string, change: { name?: string; topics?: string[]; paused?: boolean; muted_until?: string; settings?: Record<string, unknown> }) =>
  request('PATCH', path(id), { body: change, schema: channelSchema });
export const deleteChannel = (id: string) => request('DELETE', path(id));
export const testChannel = (id: string) => request('POST', `${path(id)}/test`, { schema: deliverySchema });
export const rotateKey = (id: string) => request('POST', `${path(id)}/key`, { schema: channelSchema });
export const replayOne = (id: string) => request('POST', `/api/notify/dead-letters/${encodeURIComponent(id)}/replay`, { schema: replayedSchema });
export const replayAll = (channelId?: string) => request('POST', '/api/notify/dead-letters/replay', { body: channelId ? { channel_id: channelId } : {}, schema: replayedSchema });
export const discardLetter = (id: string) => request('DELETE', `/api/notify/dead-letters/${encodeURIComponent(id)}`);
