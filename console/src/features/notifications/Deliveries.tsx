import { Badge, Button, Group, Modal, Stack, Text } from '@mantine/core';
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { trouble } from '../../api/problems';
import type { Delivery } from '../../api/schemas';
import rows from '../../ui/rows.module.css';
import { Empty, Failure, Loading } from '../../ui/states';
import { formatAgo, plural, useTimes } from '../../ui/format';
import { useMay } from '../auth/session';
import { channelsQuery, deliveriesQuery, deliveryQuery, discardLetter, kindsQuery, replayAll, replayOne } from './api';
import classes from './Notifications.module.css';

const colours: Record<string, string> = { delivered: 'pine', dead: 'ember', failed: 'ember', queued: 'amber', sending: 'amber' };
const wordsOf: Record<string, string> = { queued: 'waiting', sending: 'sending', delivered: 'delivered', dead: 'dead letter', discarded: 'discarded', muted: 'muted', failed: 'failed' };

/** How a delivery names what it is about and where it goes. */
function useNames() {
  const channels = useQuery(channelsQuery).data?.items ?? [];
  const kinds = useQuery(kindsQuery).data?.items ?? [];
  return {
    channel: (id: string) => channels.find((c) => c.id === id)?.name ?? 'a deleted channel',
    kind: (name: string) => kinds.find((k) => k.name === name)?.label ?? name,
  };
}

export function Deliveries({ dead }: { dead: boolean }) {
  const { data, error, isPending, refetch, fetchNextPage, hasNextPage, isFetchingNextPage } = useInfiniteQuery(deliveriesQuery(dead));
  const may = useMay('notify.manage');
  const queries = useQueryClient();
  const all = useMutation({ mutationFn: () => replayAll(), onSettled: () => queries.invalidateQueries({ queryKey: ['notify'] }) });
  const [open, setOpen] = useState<string | null>(null);
  const items = data?.pages.flatMap((p) => p.items) ?? [];
  return (
    <>
      <div className={rows.head}>
        <p className={rows.lead}>
          {dead
            ? 'What was given up, and what came while a channel was paused. It is kept for 90 days. Receivers see a replayed message under its old id.'
            : 'One line for each notification and channel, newest first; what has ended is kept for 30 days.'}
        </p>
        {dead && may && items.length > 0 && (
          <Button size="xs" variant="default" loading={all.isPending} onClick={() => all.mutate()}>
            Replay all
          </Button>
        )}
      </div>
      {all.error && (
        <Text className={rows.failed ?? ''} role="alert" mb="sm">
          {trouble(all.error).title} {trouble(all.error).detail}
        </Text>
      )}
      {error && !data && <Failure error={error} onRetry={() => void refetch()} />}
      {isPending && !error && <Loading />}
      {data && (
        <div className="panel">
          {items.length === 0 && (dead ? <Empty title="No dead letters">Everything that was to be delivered was, or is still being tried.</Empty> : <Empty title="Nothing was sent yet">Set up a channel and press Test.</Empty>)}
          <ul className={rows.rows} aria-label={dead ? 'Dead letters' : 'Deliveries'}>
            {items.map((d) => (
              <Row key={d.id} item={d} may={may} onOpen={() => setOpen(d.id)} />
            ))}
          </ul>
          {hasNextPage && (
            <div className={rows.more}>
              <Button size="xs" variant="default" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
                Show older ones
              </Button>
            </div>
          )}
        </div>
      )}
      {open && <Detail id={open} onClose={() => setOpen(null)} />}
    </>
  );
}

function Row({ item, may, onOpen }: { item: Delivery; may: boolean; onOpen: () => void }) {
  const names = useNames();
  const times = useTimes();
  const queries = useQueryClient();
  const again = { onSettled: () => queries.invalidateQueries({ queryKey: ['notify'] }) };
  const replay = useMutation({ mutationFn: () => replayOne(item.id), ...again });
  const discard = useMutation({ mutationFn: () => discardLetter(item.id), ...again });
  const problem = replay.error ?? discard.error;
  const title = `${names.kind(item.kind)} to ${names.channel(item.channel_id)}`;
  return (
    <li className={rows.row}>
      <div className={rows.what}>
        <Group gap="xs">
          <span className={rows.name}>{title}</span>
          <Badge color={colours[item.status] ?? 'gray'}>{wordsOf[item.status] ?? item.status}</Badge>
        </Group>
        <div className={rows.note}>
          {times.time(item.created_at)} · {plural(item.attempts, 'attempt')}
          {item.code > 0 && ` · answer ${item.code}`}
          {item.next_at && ` · next ${Date.parse(item.next_at) > Date.now() ? `at ${times.time(item.next_at)}` : 'now'}`}
        </div>
        {item.problem && <div className={item.status === 'delivered' ? rows.note : rows.failed}>{item.problem}</div>}
        {problem && (
          <div className={rows.failed} role="alert">
            {trouble(problem).title} {trouble(problem).detail}
          </div>
        )}
      </div>
      <div className={rows.actions}>
        <Button size="xs" variant="default" onClick={onOpen} aria-label={`Attempts of ${title}`}>
          Attempts
        </Button>
        {item.status === 'dead' && may && (
          <>
            <Button size="xs" variant="default" loading={replay.isPending} onClick={() => replay.mutate()} aria-label={`Replay ${title}`}>
              Replay
            </Button>
            <Button size="xs" variant="default" loading={discard.isPending} onClick={() => discard.mutate()} aria-label={`Discard ${title}`}>
              Discard
            </Button>
          </>
        )}
      </div>
    </li>
  );
}

function Detail({ id, onClose }: { id: string; onClose: () => void }) {
  const { data, error, isPending, refetch } = useQuery(deliveryQuery(id));
  const names = useNames();
  const times = useTimes();
  return (
    <Modal opened onClose={onClose} title="Delivery" size="lg">
      {error && <Failure error={error} onRetry={() => void refetch()} />}
      {isPending && !error && <Loading />}
      {data && (
        <Stack>
          <Text size="sm">
            {names.kind(data.kind)} to {names.channel(data.channel_id)}, about {data.cause.type} <span className="mono">{data.cause.id}</span>. Receivers see it as <span className="mono">{data.id}</span>.
          </Text>
          {data.history.length === 0 ? (
            <Text size="sm" c="dimmed">
              It was not tried yet.
            </Text>
          ) : (
            <table className={classes.history} aria-label="Attempts">
              <thead>
                <tr>
                  <th scope="col">Attempt</th>
                  <th scope="col">When</th>
                  <th scope="col">Answer</th>
                  <th scope="col">Result</th>
                </tr>
              </thead>
              <tbody>
                {data.history.map((a) => (
                  <tr key={a.number}>
                    <td>{a.number}</td>
                    <td title={times.time(a.at)}>{formatAgo(a.at)}</td>
                    <td>
                      {a.code || 'none'} in {a.took_ms} ms
                    </td>
                    <td>{a.problem || 'delivered'}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </Stack>
      )}
    </Modal>
  );
}
