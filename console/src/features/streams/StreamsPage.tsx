import { Badge, Button, Group, Modal, NumberInput, Stack, Text } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { trouble } from '../../api/problems';
import type { EventStream } from '../../api/schemas';
import { formatAgo, formatNumber, plural } from '../../ui/format';
import { IconPlus } from '../../ui/icons';
import { Empty, Failure, Loading, PageTitle } from '../../ui/states';
import { useMay } from '../auth/session';
import classes from '../notifications/Notifications.module.css';
import { StreamDialog } from './StreamDialog';
import { changeStream, deleteStream, kindLabel, streamsQuery, testStream } from './api';

export function StreamsPage() {
  const may = useMay('notify.view');
  const manage = useMay('notify.manage');
  const { data, error, isPending, refetch } = useQuery({ ...streamsQuery, enabled: may });
  const [making, setMaking] = useState(false);
  useEffect(() => {
    document.title = 'Streams · Probity';
  }, []);
  if (!may) return <Empty title="Streams are not yours to see">Your role has no access to streams of events.</Empty>;
  return (
    <div className="page">
      <PageTitle
        title="Streams" lead="Events are sent on as they are recorded: at least once, in order, each under an id that never changes. The log keeps what a receiver has not had."
        actions={
          manage && (
            <Button size="xs" leftSection={<IconPlus size={15} />} onClick={() => setMaking(true)}>
              New stream
            </Button>
          )
        }
      />
      {error && !data && <Failure error={error} onRetry={() => void refetch()} />}
      {isPending && !error && <Loading />}
      {data && (
        <div className="panel">
          {data.items.length === 0 && <Empty title="No streams yet">{manage ? 'Send events to your SIEM, a bucket or a message broker.' : 'An administrator can set one up.'}</Empty>}
          <ul className={classes.rows} aria-label="Streams">
            {data.items.map((s) => (
              <Row key={s.id} item={s} may={manage} />
            ))}
          </ul>
        </div>
      )}
      {making && <StreamDialog onClose={() => setMaking(false)} />}
    </div>
  );
}

function State({ item }: { item: EventStream }) {
  if (item.paused) return <Badge color={item.paused.startsWith('it stopped') ? 'ember' : 'gray'}>{item.paused.startsWith('it stopped') ? 'dead' : 'paused'}</Badge>;
  if (item.failures > 0) return <Badge color="amber">failing</Badge>;
  return <Badge color="pine">{item.behind > 0 ? 'sending' : 'up to date'}</Badge>;
}

function Row({ item, may }: { item: EventStream; may: boolean }) {
  const { actions, sources, outcomes } = item.filter;
  const filter = [...actions, ...sources.map((s) => `source ${s}`), ...outcomes];
  return (
    <li className={classes.row}>
      <div className={classes.what}>
        <Group gap="xs">
          <span className={classes.name}>{item.name}</span>
          <Badge color="gray">{kindLabel(item.kind)}</Badge>
          <State item={item} />
          {item.unmasked && <Badge color="amber">personal values as they are</Badge>}
        </Group>
        <div className={classes.tags}>
          {(filter.length > 0 ? filter : ['all events']).map((t) => (
            <Badge key={t} size="sm" color="gray">
              {t}
            </Badge>
          ))}
          <Badge size="sm" color="gray">
            {item.format === 'ocsf' ? 'OCSF' : 'native'}
          </Badge>
        </div>
        <div className={classes.note}>
          {item.target} · {item.behind === 0 ? 'no event waits' : `${plural(item.behind, 'event')} behind`} · next is event {item.next_seq} · {formatNumber(item.sent)} sent ·{' '}
          {item.last_ok_at ? `last taken ${formatAgo(item.last_ok_at)}` : 'nothing taken yet'}
        </div>
        {item.paused && <div className={item.paused.startsWith('it stopped') ? classes.failed : classes.note}>Paused: {item.paused}. Resumed, it catches up.</div>}
        {!item.paused && item.last_problem && (
          <div className={classes.failed}>
            {plural(item.failures, 'attempt')} failed: {item.last_problem}. It is tried again, and paused after four days.
          </div>
        )}
        {may && <Actions item={item} />}
      </div>
    </li>
  );
}

function Actions({ item }: { item: EventStream }) {
  const queries = useQueryClient();
  const again = { onSettled: () => queries.invalidateQueries({ queryKey: streamsQuery.queryKey }) };
  const test = useMutation({ mutationFn: () => testStream(item.id), ...again });
  const change = useMutation({ mutationFn: (paused: boolean) => changeStream(item.id, { paused }), ...again });
  const [dialog, setDialog] = useState<'rewind' | 'delete' | null>(null);
  const problem = test.error ?? change.error;
  const act = (label: string, onClick: () => void, loading = false) => (
    <Button size="xs" variant="default" onClick={onClick} loading={loading} aria-label={`${label} ${item.name}`}>
      {label}
    </Button>
  );
  return (
    <>
      <Group gap={6} mt={8}>
        {act('Test', () => test.mutate(), test.isPending)}
        {item.paused ? act('Resume', () => change.mutate(false), change.isPending) : act('Pause', () => change.mutate(true), change.isPending)}
        {act('Send again from…', () => setDialog('rewind'))}
        {act('Delete', () => setDialog('delete'))}
      </Group>
      <div role="status">
        {test.data && !test.isPending && (
          <Text mt={6} className={(test.data.ok ? classes.worked : classes.failed) ?? ''}>
            {test.data.ok ? 'The receiver took the test.' : `The receiver did not take the test: ${test.data.problem}.`}
          </Text>
        )}
      </div>
      {problem && (
        <Text mt={6} className={classes.failed ?? ''} role="alert">
          {trouble(problem).title} {trouble(problem).detail}
        </Text>
      )}
      {dialog === 'rewind' && <RewindDialog item={item} onClose={() => setDialog(null)} />}
      {dialog === 'delete' && <DeleteDialog item={item} onClose={() => setDialog(null)} />}
    </>
  );
}

function RewindDialog({ item, onClose }: { item: EventStream; onClose: () => void }) {
  const queries = useQueryClient();
  const [seq, setSeq] = useState<number | string>(item.next_seq);
  const save = useMutation({
    mutationFn: () => changeStream(item.id, { next_seq: Number(seq) }),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: streamsQuery.queryKey });
      onClose();
    },
  });
  return (
    <Modal opened onClose={onClose} title={`Send again over “${item.name}”`}>
      <form
        onSubmit={(e) => {
          e.preventDefault();
          save.mutate();
        }}
      >
        <Stack>
          <NumberInput label="From event" description={`0 sends the whole log again; ${item.next_seq + item.behind} skips what waits. Receivers see the same ids.`} min={0} max={item.next_seq + item.behind} allowDecimal={false} value={seq} onChange={setSeq} data-autofocus />
          {save.error && <Failure error={save.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={save.isPending} disabled={seq === ''}>
              Send from there
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

function DeleteDialog({ item, onClose }: { item: EventStream; onClose: () => void }) {
  const queries = useQueryClient();
  const remove = useMutation({
    mutationFn: () => deleteStream(item.id),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: streamsQuery.queryKey });
      onClose();
    },
  });
  return (
    <Modal opened onClose={onClose} title={`Delete “${item.name}”?`}>
      <Stack>
        <Text size="sm">Nothing more is sent over it. The log keeps every event; another stream can begin at event {item.next_seq}.</Text>
        {remove.error && <Failure error={remove.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Keep it
          </Button>
          <Button color="ember" loading={remove.isPending} onClick={() => remove.mutate()}>
            Delete
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
