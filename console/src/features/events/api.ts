import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query';
import { ApiError, request } from '../../api/client';
import type { Query } from '../../api/client';
import { eventPageSchema, eventSchema, personsSchema, proofSchema, statsSchema, viewSchema, viewsSchema } from '../../api/schemas';
import type { EventView } from '../../api/schemas';
import { rememberPersons } from './persons';

/** How many events one page of the audit log asks for. */
export const pageSize = 100;

export function eventsQuery(query: Query, key: unknown) {
  return infiniteQueryOptions({
    queryKey: ['events', key],
    queryFn: async ({ pageParam, signal }) => {
      const page = await request('GET', '/api/events', {
        query: { ...query, limit: pageSize, ...(pageParam ? { cursor: pageParam } : {}) }, schema: eventPageSchema, signal,
      });
      // The server sends rows as it finds them; an error after the first stands at the end of the page.
      if (page.error) throw new ApiError(200, 'The search broke off', brokeOff(page.error), '');
      rememberPersons(page.items);
      return page;
    },
    initialPageParam: '',
    getNextPageParam: (last) => last.next_cursor || undefined,
    placeholderData: keepPreviousData,
    staleTime: Infinity,
    gcTime: 60e3,
  });
}

function brokeOff(error: unknown): string {
  const e = (error ?? {}) as Record<string, unknown>;
  return String(e['detail'] ?? e['message'] ?? e['code'] ?? 'The list is not complete.');
}

export function statsQuery(query: Query, tz: string, key: unknown) {
  return queryOptions({
    queryKey: ['stats', key, tz],
    queryFn: ({ signal }) => request('GET', '/api/stats', { query: { ...query, bucket: 'auto', tz }, schema: statsSchema, signal }),
    placeholderData: keepPreviousData,
    staleTime: 30e3,
    gcTime: 60e3,
  });
}

export function eventQuery(seq: string) {
  return queryOptions({
    queryKey: ['event', seq],
    queryFn: async ({ signal }): Promise<EventView> => {
      const event = await request('GET', `/api/events/${encodeURIComponent(seq)}`, { schema: eventSchema, signal });
      rememberPersons([event]);
      return event;
    },
    staleTime: 60e3,
  });
}

export function proofQuery(seq: number) {
  return queryOptions({
    queryKey: ['proof', seq],
    queryFn: ({ signal }) => request('GET', `/api/events/${seq}/proof`, { schema: proofSchema, signal }),
    staleTime: 60e3,
  });
}

/** A few events beside the one that is open. */
export function relatedQuery(query: Query) {
  return queryOptions({
    queryKey: ['related', query],
    queryFn: ({ signal }) => request('GET', '/api/events', { query: { ...query, limit: 8 }, schema: eventPageSchema, signal }),
    staleTime: 60e3,
  });
}

export function historyQuery(type: string, id: string) {
  return infiniteQueryOptions({
    queryKey: ['history', type, id],
    queryFn: ({ pageParam, signal }) =>
      request('GET', `/api/resources/${encodeURIComponent(type)}/${encodeURIComponent(id)}/history`, {
        query: { limit: 50, ...(pageParam ? { cursor: pageParam } : {}) }, schema: eventPageSchema, signal,
      }),
    initialPageParam: '',
    getNextPageParam: (last) => last.next_cursor || undefined,
  });
}

export function personsQuery(q: string) {
  return queryOptions({
    queryKey: ['persons', q],
    queryFn: ({ signal }) => request('GET', '/api/persons', { query: { q, limit: 12 }, schema: personsSchema, signal }),
    staleTime: 60e3,
    gcTime: 60e3,
  });
}

export const viewsQuery = queryOptions({
  queryKey: ['views'],
  queryFn: ({ signal }) => request('GET', '/api/views', { schema: viewsSchema, signal }),
});

export function saveView(name: string, query: string) {
  return request('POST', '/api/views', { body: { name, query }, schema: viewSchema });
}

export function deleteView(id: string) {
  return request('DELETE', `/api/views/${encodeURIComponent(id)}`);
}
