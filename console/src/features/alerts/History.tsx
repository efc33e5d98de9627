import { Badge, Button, Group, SegmentedControl } from '@mantine/core';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { RaisedAlert } from '../../api/schemas';
import { formatAgo, plural, useTimes } from '../../ui/format';
import { Empty, Failure, Loading } from '../../ui/states';
import classes from '../../ui/rows.module.css';
import { alertsQuery, rulesQuery, severityColour } from './api';

const states = [
  { value: '', label: 'All' },
  { value: 'firing', label: 'Firing' },
  { value: 'acknowledged', label: 'Acknowledged' },
  { value: 'resolved', label: 'Ended' },
];

export function History({ onOpen, onRules }: { onOpen: (id: string) => void; onRules: () => void }) {
  const [state, setState] = useState('');
  const { data, error, isPending, refetch, fetchNextPage, hasNextPage, isFetchingNextPage } = useInfiniteQuery(alertsQuery(state));
  const rules = useQuery(rulesQuery);
  const items = data?.pages.flatMap((p) => p.items) ?? [];
  return (
    <>
      <div className={classes.head}>
        <p className={classes.lead}>An alert ends by itself when what it tells of has not happened for the cool-down of its rule. Ended alerts are kept for 400 days.</p>
        <SegmentedControl size="xs" aria-label="Which alerts" data={states} value={state} onChange={setState} />
      </div>
      {error && !data && <Failure error={error} onRetry={() => void refetch()} />}
      {isPending && !error && <Loading />}
      {data && (
        <div className="panel">
          {items.length === 0 &&
            (rules.data?.items.length === 0 ? (
              <Empty title="Nothing is watched yet" action={<Button size="xs" onClick={onRules}>Go to the rules</Button>}>
                A rule says what you want to be told of: every grant of a role, say, or more than twenty denied attempts by one actor in five minutes.
              </Empty>
            ) : (
              <Empty title={state ? 'No such alerts' : 'No alerts'}>{state ? 'Choose another state above.' : 'Nothing that the rules look for has happened.'}</Empty>
            ))}
          <ul className={classes.rows} aria-label="Alerts">
            {items.map((a) => (
              <AlertRow key={a.id} item={a} onOpen={() => onOpen(a.id)} />
            ))}
          </ul>
          {hasNextPage && (
            <div className={classes.more}>
              <Button size="xs" variant="default" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
                Show older ones
              </Button>
            </div>
          )}
        </div>
      )}
    </>
  );
}

export function StateBadge({ item }: { item: RaisedAlert }) {
  if (item.state === 'firing') return <Badge color="ember">firing</Badge>;
  return <Badge color={item.state === 'acknowledged' ? 'pine' : 'gray'}>{item.state === 'resolved' ? 'ended' : item.state}</Badge>;
}

export function AlertRow({ item, onOpen }: { item: RaisedAlert; onOpen: () => void }) {
  const times = useTimes();
  return (
    <li className={classes.row}>
      <div className={classes.what}>
        <Group gap="xs">
          <span className={classes.name}>{item.rule}</span>
          <Badge color={severityColour(item.severity)}>{item.severity}</Badge>
          <StateBadge item={item} />
          {!item.notified && <Badge color="gray">muted</Badge>}
        </Group>
        {item.group && <div>{item.group}</div>}
        <div className={classes.note}>
          <span title={times.time(item.fired_at)}>{formatAgo(item.fired_at)}</span> · {plural(item.events, 'event')}
          {item.acknowledged_at && ` · acknowledged by ${item.acknowledged_by}`}
          {item.resolved_at && (
            <>
              {' '}
              · <span title={times.time(item.resolved_at)}>ended {formatAgo(item.resolved_at)}</span>: {item.resolved_because}
            </>
          )}
        </div>
      </div>
      <div className={classes.actions}>
        <Button size="xs" variant="default" onClick={onOpen} aria-label={`Show ${item.rule}${item.group ? `, ${item.group}` : ''}`}>
          Show
        </Button>
      </div>
    </li>
  );
}
