import { Badge, Group, NumberInput, Text } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import type { EventStream } from '../../api/schemas';
import { ConfirmDialog, FormDialog } from '../../ui/dialogs';
import { formatAgo, formatNumber, plural } from '../../ui/format';
import { NewButton, RowAction, RowList, RowProblem, Tags } from '../../ui/rows';
import classes from '../../ui/rows.module.css';
import { Empty, PageTitle } from '../../ui/states';
import { useAct } from '../../ui/useAct';
import { useMay } from '../auth/session';
import { StreamDialog } from './StreamDialog';
import { changeStream, deleteStream, kindLabel, streamsQuery, testStream } from './api';

export function StreamsPage() {
  const may = useMay('notify.view');
  const manage = useMay('notify.manage');
  const streams = useQuery({ ...streamsQuery, enabled: may });
  const [making, setMaking] = useState(false);
  useEffect(() => {
    document.title = 'Streams · Probity';
  }, []);
  if (!may) return <Empty title="Streams are not yours to see">Your role has no access to streams of events.</Empty>;
  return (
    <div className="page">
      <PageTitle
        title="Streams" lead="Events are sent on as they are recorded: at least once, in order, each under an id that never changes. The log keeps what a receiver has not had."
        actions={manage && <NewButton label="New stream" onClick={() => setMaking(true)} />}
      />
      <RowList query={streams} label="Streams" empty={<Empty title="No streams yet">{manage ? 'Send events to your SIEM, a bucket or a message broker.' : 'An administrator can set one up.'}</Empty>}>
        {(s) => <Row key={s.id} item={s} may={manage} />}
      </RowList>
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
        <Tags texts={[...(filter.length > 0 ? filter : ['all events']), item.format === 'ocsf' ? 'OCSF' : 'native']} />
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
  const act = (label: string, onClick: () => void, loading = false) => <RowAction label={label} name={item.name} onClick={onClick} loading={loading} />;
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
      <RowProblem error={test.error ?? change.error} />
      {dialog === 'rewind' && <RewindDialog item={item} onClose={() => setDialog(null)} />}
      {dialog === 'delete' && (
        <ConfirmDialog title={`Delete “${item.name}”?`} act={() => deleteStream(item.id)} refresh={streamsQuery.queryKey} onClose={() => setDialog(null)}>
          Nothing more is sent over it. The log keeps every event; another stream can begin at event {item.next_seq}.
        </ConfirmDialog>
      )}
    </>
  );
}

function RewindDialog({ item, onClose }: { item: EventStream; onClose: () => void }) {
  const [seq, setSeq] = useState<number | string>(item.next_seq);
  const save = useAct(() => changeStream(item.id, { next_seq: Number(seq) }), streamsQuery.queryKey, onClose);
  return (
    <FormDialog title={`Send again over “${item.name}”`} submit="Send from there" disabled={seq === ''} pending={save.isPending} error={save.error} onSubmit={() => save.mutate()} onClose={onClose}>
      <NumberInput label="From event" description={`0 sends the whole log again; ${item.next_seq + item.behind} skips what waits. Receivers see the same ids.`} min={0} max={item.next_seq + item.behind} allowDecimal={false} value={seq} onChange={setSeq} data-autofocus />
    </FormDialog>
  );
}
