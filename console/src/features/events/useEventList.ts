import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useCallback, useMemo, useState } from 'react';
import type { EventView } from '../../api/schemas';
import { usePreferences } from '../../ui/preferences';
import { eventsQuery, statsQuery } from './api';
import { isPreset, resolveRange, toQuery } from './filter';
import type { EventFilter } from './filter';
import { useLiveEvents } from './useLiveEvents';

/**
 * Everything the audit log shows for a filter: pages of events, counts over time, and what arrives meanwhile. "Now" stands still until
 * the filter changes or the reader asks, so that paging and counting speak of the same stretch of time.
 */
export function useEventList(filter: EventFilter, atTop: () => boolean) {
  const { zone, live } = usePreferences();
  const filterKey = JSON.stringify(filter);
  const [anchor, setAnchor] = useState(() => ({ key: filterKey, now: Date.now() }));
  if (anchor.key !== filterKey) setAnchor({ key: filterKey, now: Date.now() });
  const refresh = useCallback(() => setAnchor((a) => ({ ...a, now: Date.now() })), []);

  const range = useMemo(() => resolveRange(filter, anchor.now), [filter, anchor.now]);
  const query = useMemo(() => toQuery(filter, range), [filter, range]);
  const key = `${filterKey} ${anchor.now}`;
  const events = useInfiniteQuery(eventsQuery({ ...query, order: filter.order }, key));
  const stats = useQuery(statsQuery(query, zone, key));

  const loaded = useMemo(() => events.data?.pages.flatMap((p) => p.items) ?? [], [events.data]);
  // complete_until names the next seq; the stream begins after the last one that the list has looked at.
  const complete = events.data?.pages[0]?.complete_until;
  const after = complete ? complete.seq - 1 : (loaded[0]?.seq ?? -1);
  const fresh = !events.isPlaceholderData && events.isSuccess;
  const mayFollow = isPreset(filter) && filter.order !== 'asc';
  const stream = useLiveEvents(live && mayFollow && fresh, query, key, fresh ? after : null, atTop);

  const rows = useMemo((): EventView[] => {
    if (stream.shown.length === 0) return loaded;
    const seen = new Set(stream.shown.map((e) => e.seq));
    return [...stream.shown, ...loaded.filter((e) => !seen.has(e.seq))];
  }, [stream.shown, loaded]);

  const { hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage } = events;
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage && !isFetchNextPageError) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage]);

  return { events, stats, rows, range, now: anchor.now, refresh, more, stream, mayFollow, query };
}

export type EventList = ReturnType<typeof useEventList>;
