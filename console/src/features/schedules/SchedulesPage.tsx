import { Badge, Button, Group, Modal, Text } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { trouble } from '../../api/problems';
import type { Schedule } from '../../api/schemas';
import { ConfirmDialog } from '../../ui/dialogs';
import { Empty, Failure, Loading, PageTitle } from '../../ui/states';
import { TextLink } from '../../ui/TextLink';
import { useTimes } from '../../ui/format';
import { formatLabel } from '../exports/api';
import { ScheduleDialog } from './ScheduleDialog';
import { act, describe, periods, runsQuery, schedulesQuery } from './api';
import type { ScheduleAction } from './api';
import classes from './Schedules.module.css';

export function SchedulesPage() {
  const { data, error, isPending, refetch } = useQuery(schedulesQuery);
  const [edited, setEdited] = useState<Schedule | 'new' | null>(null);
  useEffect(() => {
    document.title = 'Schedules · Probity';
  }, []);
  const create = (
    <Button size="xs" onClick={() => setEdited('new')}>
      New schedule
    </Button>
  );
  return (
    <div className="page">
      <PageTitle
        title="Schedules" lead="Exports that make themselves: at set times, or when something happens."
        actions={
          <>
            <Button component={Link} to="/exports" variant="default" size="xs">
              Exports
            </Button>
            {create}
          </>
        }
      />
      {error && !data && <Failure error={error} onRetry={() => void refetch()} />}
      {isPending && !error && <Loading />}
      {data && data.items.length === 0 && (
        <div className="panel">
          <Empty title="No schedules yet" action={create}>
            A schedule makes the same export every day, week or month, of the period that has just ended.
          </Empty>
        </div>
      )}
      {data && data.items.length > 0 && (
        <ul className={`panel ${classes.list}`} aria-label="Schedules">
          {data.items.map((s) => (
            <Row key={s.id} item={s} onEdit={() => setEdited(s)} />
          ))}
        </ul>
      )}
      {edited && <ScheduleDialog item={edited === 'new' ? null : edited} onClose={() => setEdited(null)} />}
    </div>
  );
}

const pausedWords: Record<string, string> = { by_user: 'paused', owner_gone: 'paused: its owner may not make exports any more' };

function Row({ item, onEdit }: { item: Schedule; onEdit: () => void }) {
  const queries = useQueryClient();
  const times = useTimes();
  const [open, setOpen] = useState<'history' | 'delete' | null>(null);
  const change = useMutation({ mutationFn: (action: ScheduleAction) => act(item.id, action), onSettled: () => queries.invalidateQueries({ queryKey: schedulesQuery.queryKey }) });
  const d = item.definition;
  const button = (action: ScheduleAction, label: string) => (
    <Button size="xs" variant="default" loading={change.isPending && change.variables === action} disabled={change.isPending} onClick={() => change.mutate(action)} aria-label={`${label}: ${d.name}`}>
      {label}
    </Button>
  );
  return (
    <li className={classes.item} aria-label={d.name}>
      <div className={classes.main}>
        <Group gap="xs">
          <Text fw={600}>{d.name}</Text>
          <Badge color="gray">{formatLabel(d.format)}</Badge>
          {item.paused && <Badge color="amber">{pausedWords[item.paused] ?? 'paused'}</Badge>}
        </Group>
        <Text size="sm">{describe(d.timing)}</Text>
        <Text size="sm" c="dimmed">
          {periods.find((p) => p.value === d.period)?.label}
          {item.next_at && ` · next ${times.time(item.next_at)}`}
          {item.last_at && ` · last ${times.time(item.last_at)}`}
          {d.mail && ' · e-mailed'}
        </Text>
        {change.error && (
          <Text size="sm" className={classes.failed} role="alert">
            {trouble(change.error).detail || trouble(change.error).title}
          </Text>
        )}
      </div>
      <Group gap="xs">
        {button('run', 'Run now')}
        {item.paused === 'by_user' ? button('resume', 'Resume') : !item.paused && button('pause', 'Pause')}
        <Button size="xs" variant="default" onClick={() => setOpen('history')} aria-label={`History: ${d.name}`}>
          History
        </Button>
        <Button size="xs" variant="default" onClick={onEdit} aria-label={`Change: ${d.name}`}>
          Change
        </Button>
        <Button size="xs" variant="default" onClick={() => setOpen('delete')} aria-label={`Delete: ${d.name}`}>
          Delete
        </Button>
      </Group>
      {open === 'history' && <History item={item} onClose={() => setOpen(null)} />}
      {open === 'delete' && (
        <ConfirmDialog title={`Delete “${d.name}”?`} act={() => act(item.id, 'delete')} refresh={schedulesQuery.queryKey} onClose={() => setOpen(null)}>
          It will not run any more, and its history goes. The exports that it made stay until they expire.
        </ConfirmDialog>
      )}
    </li>
  );
}

const runColours: Record<string, string> = { started: 'pine', failed: 'ember', skipped: 'amber' };
const causes: Record<string, string> = { asked: 'run by hand', event: 'by an event', time: '' };

function History({ item, onClose }: { item: Schedule; onClose: () => void }) {
  const times = useTimes();
  const { data, error, isPending, refetch } = useQuery(runsQuery(item.id));
  return (
    <Modal opened onClose={onClose} title={`History of “${item.definition.name}”`} size="lg">
      {error && !data && <Failure error={error} onRetry={() => void refetch()} />}
      {isPending && !error && <Loading />}
      {data && data.items.length === 0 && <Empty title="It has not run yet" />}
      {data && data.items.length > 0 && (
        <ul className={classes.runs} aria-label="Runs">
          {data.items.map((r) => (
            <li key={r.id} className={classes.run}>
              <Group gap="xs">
                <Badge color={runColours[r.status] ?? 'gray'}>{r.status}</Badge>
                <Text size="sm">{times.time(r.due_at)}</Text>
                {causes[r.cause] && (
                  <Text size="sm" c="dimmed">
                    {causes[r.cause]}
                  </Text>
                )}
                {r.export_id && (
                  <TextLink to="/exports" size="sm">
                    Its export
                  </TextLink>
                )}
              </Group>
              {r.problem && (
                <Text size="sm" className={classes.failed}>
                  {r.problem}
                </Text>
              )}
            </li>
          ))}
        </ul>
      )}
    </Modal>
  );
}
