import { Badge, Group } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { AlertRule } from '../../api/schemas';
import { ConfirmDialog } from '../../ui/dialogs';
import { formatAgo, plural, useTimes } from '../../ui/format';
import { ListHead, NewButton, RowAction, RowList, RowProblem, Tags } from '../../ui/rows';
import classes from '../../ui/rows.module.css';
import { Empty } from '../../ui/states';
import { useMay } from '../auth/session';
import { RuleDialog } from './RuleDialog';
import { conditionWords, deleteRule, draftOf, filterWords, muteRule, replaceRule, rulesQuery, severityColour, spanWords } from './api';

export function Rules() {
  const rules = useQuery(rulesQuery);
  const may = useMay('notify.manage');
  const [editing, setEditing] = useState<AlertRule | 'new' | null>(null);
  return (
    <>
      <ListHead lead="Events are counted by the time at which they were recorded, whether or not somebody looks, and again from the log after a restart.">
        {may && <NewButton label="New rule" onClick={() => setEditing('new')} />}
      </ListHead>
      <RowList
        query={rules} label="Alert rules"
        empty={<Empty title="No rules yet">{may ? 'Say what you want to be told of; the preview shows what the last seven days would have brought.' : 'An administrator can make one.'}</Empty>}
      >
        {(r) => <Row key={r.id} item={r} may={may} onEdit={() => setEditing(r)} />}
      </RowList>
      {editing && <RuleDialog item={editing === 'new' ? null : editing} onClose={() => setEditing(null)} />}
    </>
  );
}

function Row({ item, may, onEdit }: { item: AlertRule; may: boolean; onEdit: () => void }) {
  const times = useTimes();
  const muted = item.muted_until !== '' && Date.parse(item.muted_until) > Date.now();
  return (
    <li className={classes.row}>
      <div className={classes.what}>
        <Group gap="xs">
          <span className={classes.name}>{item.name}</span>
          <Badge color={severityColour(item.severity)}>{item.severity}</Badge>
          {!item.enabled && <Badge color="gray">disabled</Badge>}
          {item.stopped && <Badge color="ember">stopped</Badge>}
          {muted && <Badge color="amber">muted</Badge>}
          {item.open > 0 && <Badge color="ember">{item.open} open</Badge>}
        </Group>
        <Tags texts={filterWords(item.filter)} />
        <div className={classes.note}>
          {conditionWords(item)} · cool-down {spanWords(item.cool_down_seconds)} · {item.channels.length > 0 ? plural(item.channels.length, 'channel') : 'every channel that takes it'} ·{' '}
          {item.last_fired_at ? `last fired ${formatAgo(item.last_fired_at)}` : 'never fired'}
          {muted && ` · muted until ${times.time(item.muted_until)}`}
          {item.enabled && item.behind > 10_000 && ` · ${item.behind} events behind`}
        </div>
        {item.stopped && <div className={classes.failed}>Stopped: {item.stopped}</div>}
        {may && <Actions item={item} muted={muted} onEdit={onEdit} />}
      </div>
    </li>
  );
}

function Actions({ item, muted, onEdit }: { item: AlertRule; muted: boolean; onEdit: () => void }) {
  const queries = useQueryClient();
  const again = { onSettled: () => queries.invalidateQueries({ queryKey: ['alerts'] }) };
  const mute = useMutation({ mutationFn: (until: string | null) => muteRule(item.id, until), ...again });
  const enable = useMutation({ mutationFn: (enabled: boolean) => replaceRule(item.id, { ...draftOf(item), enabled }), ...again });
  const [deleting, setDeleting] = useState(false);
  const act = (label: string, onClick: () => void, loading = false) => <RowAction label={label} name={item.name} onClick={onClick} loading={loading} />;
  return (
    <>
      <Group gap={6} mt={8}>
        {act('Change', onEdit)}
        {muted ? act('Unmute', () => mute.mutate(null), mute.isPending) : act('Mute for an hour', () => mute.mutate(new Date(Date.now() + 3_600_000).toISOString()), mute.isPending)}
        {!muted && act('Mute for a day', () => mute.mutate(new Date(Date.now() + 86_400_000).toISOString()), mute.isPending)}
        {item.enabled && !item.stopped ? act('Disable', () => enable.mutate(false), enable.isPending) : act('Enable', () => enable.mutate(true), enable.isPending)}
        {act('Delete', () => setDeleting(true))}
      </Group>
      <RowProblem error={mute.error ?? enable.error} />
      {deleting && (
        <ConfirmDialog title={`Delete “${item.name}”?`} act={() => deleteRule(item.id)} refresh={['alerts']} onClose={() => setDeleting(false)}>
          Nothing is watched for it any more, and its open alerts end. What it has raised stays in the history.
        </ConfirmDialog>
      )}
    </>
  );
}
