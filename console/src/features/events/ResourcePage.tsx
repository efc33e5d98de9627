import { Button, Group, Timeline } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, getRouteApi } from '@tanstack/react-router';
import { useEffect } from 'react';
import { Outcome } from '../../table/cells';
import { Copy } from '../../ui/Copy';
import { Empty, Failure, Loading, PageTitle } from '../../ui/states';
import { TextLink } from '../../ui/TextLink';
import { useTimes } from '../../ui/format';
import { Changes } from './Changes';
import { historyQuery } from './api';
import { personLabel } from './persons';
import classes from './ResourcePage.module.css';

const route = getRouteApi('/_app/resources/$type/$id');

/** The life of one resource: each event with what it changed, newest first. */
export function ResourcePage() {
  const { type, id } = route.useParams();
  const times = useTimes();
  const history = useInfiniteQuery(historyQuery(type, id));
  const events = history.data?.pages.flatMap((p) => p.items) ?? [];
  const name = events.find((e) => e.resource.name && e.resource.id === id)?.resource.name;
  useEffect(() => {
    document.title = `${type} ${id} · Probity`;
  }, [type, id]);
  return (
    <div className="page">
      <TextLink to="/events" search={{ resource: [`${type}/${id}`], range: 'all' }} size="sm">
        Show in the audit log
      </TextLink>
      <PageTitle
        title={name ? `${type} “${name}”` : type}
        lead={
          <>
            <span className="mono">{id}</span> <Copy value={id} label="Copy id" />
          </>
        }
      />
      {history.error && events.length === 0 && <Failure error={history.error} onRetry={() => void history.refetch()} />}
      {history.isPending && !history.error && <Loading />}
      {history.isSuccess && events.length === 0 && <Empty title="Nothing is recorded about this resource">It may be known by another type or id.</Empty>}
      {events.length > 0 && (
        <div className="panel" style={{ padding: '1.25rem' }}>
          <Timeline bulletSize={14} lineWidth={2} active={events.length}>
            {events.map((e) => (
              <Timeline.Item key={e.seq} color={e.outcome.status === 'success' ? 'pine' : 'ember'}>
                <Link to="/events/$seq" params={{ seq: String(e.seq) }} className={classes.title ?? ''}>
                  {e.sentence || e.action}
                </Link>
                <div className={classes.meta}>
                  <time dateTime={e.occurred_at}>{times.time(e.occurred_at)}</time>
                  <span>{personLabel(e.actor)}</span>
                  {e.outcome.status !== 'success' && <Outcome status={e.outcome.status} />}
                </div>
                {(e.changes.length > 0 || e.fields_state['/changes']) && <Changes view={e} />}
              </Timeline.Item>
            ))}
          </Timeline>
          {history.isFetchNextPageError && <Failure error={history.error} />}
          {history.hasNextPage && (
            <Group justify="center" mt="md">
              <Button variant="default" loading={history.isFetchingNextPage} onClick={() => void history.fetchNextPage()}>
                Older events
              </Button>
            </Group>
          )}
        </div>
      )}
    </div>
  );
}
