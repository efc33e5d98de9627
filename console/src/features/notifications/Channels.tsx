import { Badge, Group, Text } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { Channel } from '../../api/schemas';
import { ConfirmDialog } from '../../ui/dialogs';
import { formatAgo, plural, useTimes } from '../../ui/format';
import { ListHead, NewButton, RowAction, RowList, RowProblem, Tags } from '../../ui/rows';
import classes from '../../ui/rows.module.css';
import { Empty } from '../../ui/states';
import { useMay } from '../auth/session';
import { ChannelDialog, KeyDialog } from './ChannelDialog';
import { changeChannel, channelsQuery, deleteChannel, kindLabel, rotateKey, testChannel } from './api';

export function Channels() {
  const channels = useQuery(channelsQuery);
  const may = useMay('notify.manage');
  const [editing, setEditing] = useState<Channel | 'new' | null>(null);
  return (
    <>
      <ListHead lead="A message that does not arrive is tried twelve times within about three days, then kept as a dead letter. What a channel is set up with is encrypted and not shown again.">
        {may && <NewButton label="New channel" onClick={() => setEditing('new')} />}
      </ListHead>
      <RowList
        query={channels} label="Channels"
        empty={<Empty title="No channels yet">{may ? 'Set one up, and nobody has to look at this console to hear of trouble.' : 'An administrator can set one up.'}</Empty>}
      >
        {(c) => <Row key={c.id} item={c} may={may} onEdit={() => setEditing(c)} />}
      </RowList>
      {editing && <ChannelDialog item={editing === 'new' ? null : editing} onClose={() => setEditing(null)} />}
    </>
  );
}

function Row({ item, may, onEdit }: { item: Channel; may: boolean; onEdit: () => void }) {
  const times = useTimes();
  const muted = item.muted_until !== '' && Date.parse(item.muted_until) > Date.now();
  return (
    <li className={classes.row}>
      <div className={classes.what}>
        <Group gap="xs">
          <span className={classes.name}>{item.name}</span>
          <Badge color="gray">{kindLabel(item.kind)}</Badge>
          {item.paused && <Badge color="ember">paused</Badge>}
          {muted && <Badge color="amber">muted</Badge>}
          {!item.paused && item.failures > 0 && <Badge color="amber">failing</Badge>}
        </Group>
        <Tags texts={item.topics.length > 0 ? item.topics : ['everything']} />
        <div className={classes.note}>
          {item.target} · {item.last_ok_at ? `last delivered ${formatAgo(item.last_ok_at)}` : 'nothing delivered yet'}
          {item.dead_letters > 0 && ` · ${plural(item.dead_letters, 'dead letter')}`}
          {muted && ` · muted until ${times.time(item.muted_until)}`}
        </div>
        {item.paused && <div className={classes.failed}>Paused: {item.paused}</div>}
        {!item.paused && item.last_problem && (
          <div className={classes.failed}>
            {plural(item.failures, 'attempt')} failed: {item.last_problem}
          </div>
        )}
        {may && <Actions item={item} muted={muted} onEdit={onEdit} />}
      </div>
    </li>
  );
}

function Actions({ item, muted, onEdit }: { item: Channel; muted: boolean; onEdit: () => void }) {
  const queries = useQueryClient();
  const again = () => queries.invalidateQueries({ queryKey: ['notify'] });
  const test = useMutation({ mutationFn: () => testChannel(item.id), onSettled: again });
  const change = useMutation({ mutationFn: (c: Parameters<typeof changeChannel>[1]) => changeChannel(item.id, c), onSettled: again });
  const rotate = useMutation({ mutationFn: () => rotateKey(item.id), onSettled: again });
  const [deleting, setDeleting] = useState(false);
  const act = (label: string, onClick: () => void, loading = false) => <RowAction label={label} name={item.name} onClick={onClick} loading={loading} />;
  return (
    <>
      <Group gap={6} mt={8}>
        {act('Test', () => test.mutate(), test.isPending)}
        {act('Change', onEdit)}
        {muted
          ? act('Unmute', () => change.mutate({ muted_until: '1970-01-01T00:00:00Z' }), change.isPending)
          : act('Mute for an hour', () => change.mutate({ muted_until: new Date(Date.now() + 3_600_000).toISOString() }), change.isPending)}
        {item.paused ? act('Resume', () => change.mutate({ paused: false }), change.isPending) : act('Pause', () => change.mutate({ paused: true }), change.isPending)}
        {item.kind === 'webhook' && act('New key', () => rotate.mutate(), rotate.isPending)}
        {act('Delete', () => setDeleting(true))}
      </Group>
      <div role="status">
        {test.data && !test.isPending && (
          <Text mt={6} className={(test.data.status === 'delivered' ? classes.worked : classes.failed) ?? ''}>
            {test.data.status === 'delivered' ? `The test arrived${test.data.code ? ` (${test.data.code})` : ''}.` : `The test did not arrive: ${test.data.problem}${test.data.code ? ` (${test.data.code})` : ''}.`}
          </Text>
        )}
      </div>
      <RowProblem error={test.error ?? change.error ?? rotate.error} />
      {rotate.data && <KeyDialog item={rotate.data} rotated onClose={() => rotate.reset()} />}
      {deleting && (
        <ConfirmDialog title={`Delete “${item.name}”?`} act={() => deleteChannel(item.id)} refresh={['notify']} onClose={() => setDeleting(false)}>
          Nothing more goes over it, and what waits for it is put away, dead letters included. This cannot be undone.
        </ConfirmDialog>
      )}
    </>
  );
}
