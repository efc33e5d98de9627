import { Badge, Button, Group } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { OpenSession } from '../../api/schemas';
import { formatAgo, useTimes } from '../../ui/format';
import { ListHead, RowAction, RowList, RowProblem } from '../../ui/rows';
import classes from '../../ui/rows.module.css';
import { Empty } from '../../ui/states';
import { useAct } from '../../ui/useAct';
import { endSession, endSessions, sessionsQuery } from '../auth/api';

/** Where somebody is signed in: oneself, or a user whose access one manages. */
export function Sessions({ userId = '' }: { userId?: string }) {
  const query = sessionsQuery(userId);
  const sessions = useQuery(query);
  const end = useAct(endSession, query.queryKey);
  const endAll = useAct(() => endSessions(userId), query.queryKey);
  const others = sessions.data?.items.filter((s) => !s.current).length ?? 0;
  return (
    <>
      <ListHead lead={userId ? 'Browsers in which this person is signed in.' : 'Browsers in which you are signed in. End what you do not know, and change your password.'}>
        {others > 0 && (
          <Button size="xs" variant="default" onClick={() => endAll.mutate()} loading={endAll.isPending}>
            {userId ? 'End all' : 'End all others'}
          </Button>
        )}
      </ListHead>
      <RowProblem error={end.error ?? endAll.error} />
      <RowList query={sessions} label="Sessions" empty={<Empty title="Not signed in anywhere" />}>
        {(s) => <SessionRow key={s.id} item={s} onEnd={() => end.mutate(s.id)} ending={end.isPending && end.variables === s.id} />}
      </RowList>
    </>
  );
}

function SessionRow({ item, onEnd, ending }: { item: OpenSession; onEnd: () => void; ending: boolean }) {
  const times = useTimes();
  return (
    <li className={classes.row}>
      <div className={classes.what}>
        <Group gap="xs">
          <span className={classes.name}>{item.device}</span>
          {item.current && <Badge color="pine">this one</Badge>}
          {item.restricted && <Badge color="ember">restricted</Badge>}
        </Group>
        <div className={classes.note}>
          {item.address && <span className="mono">{item.address}</span>} {item.address && '· '}signed in {times.long(item.created_at)} · last used {formatAgo(item.last_used_at)}
        </div>
      </div>
      {!item.current && <RowAction label="End" name={`${item.device}, signed in ${times.long(item.created_at)}`} onClick={onEnd} loading={ending} />}
    </li>
  );
}
