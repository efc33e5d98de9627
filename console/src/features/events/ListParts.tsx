import { Button, Group, Loader, Skeleton, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { Empty, Failure } from '../../ui/states';
import { formatNumber, plural, useTimes } from '../../ui/format';
import { isNarrowed, listKeys } from './filter';
import type { EventFilter, FilterChange } from './filter';
import type { EventList } from './useEventList';
import { maxWaiting } from './useLiveEvents';
import classes from './AuditLog.module.css';

/** How much there is, and up to where the answer is complete. */
export function ListSummary({ list }: { list: EventList }) {
  const times = useTimes();
  const { stats, events } = list;
  const complete = events.data?.pages[0]?.complete_until;
  const failures = stats.data?.buckets.reduce((n, b) => n + b.failures, 0) ?? 0;
  return (
    <div className={classes.summary}>
      <Text size="sm" role="status" aria-live="polite">
        {stats.data && !stats.isPlaceholderData ? (
          <>
            <strong>{formatNumber(stats.data.total)}</strong> {stats.data.total === 1 ? 'event' : 'events'}
            {failures > 0 && <span className={classes.failures}> · {formatNumber(failures)} not successful</span>}
            {stats.data.partial && (
              <span>
                {' '}
                · counted {stats.data.counted_from?.recorded_at ? `back to ${times.time(stats.data.counted_from.recorded_at)}` : 'in part'} only; choose a shorter period
              </span>
            )}
          </>
        ) : stats.error ? (
          <span className={classes.failures}>Counts are not available</span>
        ) : (
          'Counting…'
        )}
      </Text>
      {complete && (
        <Text size="xs" c="dimmed" className={classes.wide ?? ''}>
          Complete up to seq <span className="mono">{Math.max(0, complete.seq - 1)}</span>
          {complete.recorded_at && <> · {times.time(complete.recorded_at)}</>}
        </Text>
      )}
    </div>
  );
}

/** What stands in the list's place: an error, a first load, or nothing found. Null when there are rows. */
export function listState(list: EventList, filter: EventFilter, onChange: (change: FilterChange) => void): ReactNode {
  const { events, rows } = list;
  if (events.error && rows.length === 0) {
    return (
      <div className={classes.notice}>
        <Failure error={events.error} onRetry={() => void events.refetch()} />
      </div>
    );
  }
  if (events.isPending) return <FirstLoad />;
  if (rows.length > 0 || events.isPlaceholderData) return null;
  const narrowed = isNarrowed(filter);
  const clear = { ...Object.fromEntries(listKeys.map((k) => [k, undefined])), text: undefined, correlation_id: undefined };
  const range = filter.range ?? (filter.from || filter.to ? 'custom' : '7d');
  return (
    <Empty
      title="No events here"
      action={
        <>
          {range !== 'all' && (
            <Button variant="default" size="xs" onClick={() => onChange({ range: range === '90d' ? 'all' : '90d', from: undefined, to: undefined })}>
              Look at {range === '90d' ? 'all time' : 'the last 90 days'}
            </Button>
          )}
          {narrowed && (
            <Button variant="default" size="xs" onClick={() => onChange(clear)}>
              Clear all filters
            </Button>
          )}
        </>
      }
    >
      {narrowed ? 'Nothing in this stretch of time matches all of the filters.' : 'Nothing was recorded in this stretch of time.'}
    </Empty>
  );
}

function FirstLoad() {
  return (
    <div className={classes.skeleton} role="status" aria-label="Loading events">
      {Array.from({ length: 14 }, (_, i) => (
        <Skeleton key={i} height={16} width={`${92 - ((i * 17) % 34)}%`} radius="sm" />
      ))}
    </div>
  );
}

/** What stands below the last row. */
export function ListFooter({ list }: { list: EventList }) {
  const { events, rows } = list;
  if (events.isFetchNextPageError) {
    return (
      <div className={classes.notice}>
        <Failure error={events.error} onRetry={() => void events.fetchNextPage()} />
      </div>
    );
  }
  if (events.isFetchingNextPage) {
    return (
      <Group justify="center" p="md" gap="xs">
        <Loader size="xs" />
        <Text size="sm" c="dimmed">
          Loading more
        </Text>
      </Group>
    );
  }
  if (events.hasNextPage) {
    return (
      <Group justify="center" p="md">
        <Button variant="default" size="xs" onClick={() => void events.fetchNextPage()}>
          Load more
        </Button>
      </Group>
    );
  }
  return (
    <Text size="xs" c="dimmed" ta="center" p="md">
      {rows.length > 0 ? `That is all: ${plural(rows.length, 'event')}.` : ''}
    </Text>
  );
}

export function NewEventsPill({ list, onTake }: { list: EventList; onTake: () => void }) {
  const { waiting, take } = list.stream;
  if (waiting === 0) return null;
  const many = waiting >= maxWaiting;
  return (
    <button
      type="button" className={classes.pill}
      onClick={() => {
        if (many) list.refresh();
        else take();
        onTake();
      }}
    >
      {many ? `More than ${maxWaiting} new events` : plural(waiting, 'new event')}
    </button>
  );
}
