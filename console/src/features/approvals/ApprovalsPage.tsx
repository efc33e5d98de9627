import { Badge, Button, Group, Select, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import type { ApprovalInfo } from '../../api/schemas';
import { formatAgo, useTimes } from '../../ui/format';
import { ListHead, NewButton, RowAction, RowList, RowProblem } from '../../ui/rows';
import classes from '../../ui/rows.module.css';
import { Failure, PageTitle } from '../../ui/states';
import { useAct } from '../../ui/useAct';
import { useMay, useSession } from '../auth/session';
import { approvalQuery, approvalsKey, approvalsQuery, approvalStates, takeBack } from './api';
import type { ApprovalState } from './api';
import { BreakGlassDialog, DecideDialog, ElevationDialog, RulesDialog } from './dialogs';

const route = getRouteApi('/_app/approvals');

const stateWords: Record<ApprovalState, string> = { pending: 'Waiting', approved: 'Approved', denied: 'Denied', expired: 'Expired', cancelled: 'Taken back' };
const tones: Record<ApprovalState, string> = { pending: 'amber', approved: 'pine', denied: 'ember', expired: 'gray', cancelled: 'gray' };

export function ApprovalsPage() {
  const { state, id } = route.useSearch();
  const navigate = route.useNavigate();
  const [before, setBefore] = useState('');
  const [asking, setAsking] = useState<'' | 'elevation' | 'glass' | 'rules'>('');
  const [deciding, setDeciding] = useState<{ r: ApprovalInfo; approve: boolean } | null>(null);
  const [unmasked, glass, manage] = [useMay('ledger.view_unmasked'), useMay('access.break_glass'), useMay('access.manage')];
  const query = useQuery(approvalsQuery(state ?? '', before));
  const named = useQuery({ ...approvalQuery(id ?? ''), enabled: !!id });
  useEffect(() => {
    document.title = 'Approvals · Probity';
  }, []);
  const row = (r: ApprovalInfo) => <Row key={r.id} r={r} onDecide={(approve) => setDeciding({ r, approve })} />;
  return (
    <div className="page">
      <PageTitle title="Approvals" lead="What is grave waits until somebody else has looked at it. You see exactly what would be done; nothing else is done. Every step is recorded in the log." />
      {id && (
        <section aria-label="The request of the link">
          {named.error ? <Failure error={named.error} /> : null}
          {named.data && (
            <div className="panel">
              <ul className={classes.rows}>{row(named.data)}</ul>
            </div>
          )}
        </section>
      )}
      <ListHead lead="Those who may decide see all requests, everybody else their own.">
        <Group gap="xs">
          {manage && (
            <Button size="xs" variant="default" onClick={() => setAsking('rules')}>
              How many must approve
            </Button>
          )}
          {!unmasked && <NewButton label="Ask to see values" onClick={() => setAsking('elevation')} />}
          {!unmasked && glass && (
            <Button size="xs" color="ember" variant="default" onClick={() => setAsking('glass')}>
              Break the glass
            </Button>
          )}
        </Group>
      </ListHead>
      <Select
        label="State" mb="md" maw={220} clearable placeholder="Any" value={state ?? null} data={approvalStates.map((s) => ({ value: s, label: stateWords[s] }))}
        onChange={(v) => {
          setBefore('');
          void navigate({ search: v ? { state: v as ApprovalState } : {} });
        }}
      />
      <RowList query={query} label="Requests" empty={<Text p="md">{state ? 'There is none in this state.' : 'Nobody has asked for anything.'}</Text>}>
        {row}
      </RowList>
      <Group mt="md" gap="xs">
        {before && (
          <Button size="xs" variant="default" onClick={() => setBefore('')}>
            Newest
          </Button>
        )}
        {query.data?.more && (
          <Button size="xs" variant="default" onClick={() => setBefore(query.data.items.at(-1)?.id ?? '')}>
            Older
          </Button>
        )}
      </Group>
      {deciding && <DecideDialog r={deciding.r} approve={deciding.approve} onClose={() => setDeciding(null)} />}
      {asking === 'elevation' && <ElevationDialog onClose={() => setAsking('')} />}
      {asking === 'rules' && <RulesDialog onClose={() => setAsking('')} />}
      {asking === 'glass' && <BreakGlassDialog onClose={() => setAsking('')} />}
    </div>
  );
}

function Row({ r, onDecide }: { r: ApprovalInfo; onDecide: (approve: boolean) => void }) {
  const times = useTimes();
  const me = useSession()?.user.id;
  const back = useAct(takeBack, approvalsKey);
  const name = `${r.summary}, asked for by ${r.requested_by_name || r.requested_by}`;
  return (
    <li className={classes.row}>
      <div className={classes.what}>
        <Group gap="xs">
          <span className={classes.name}>{r.summary}</span>
          <Badge color={tones[r.state]}>{stateWords[r.state]}</Badge>
          {(r.needed > 1 || r.state === 'pending') && <Badge color="gray">{`${r.approvals} of ${r.needed} approved`}</Badge>}
        </Group>
        <div className={classes.note}>
          {r.requested_by_name || r.requested_by}, {formatAgo(r.created_at)}
          {r.state === 'pending' && ` · until ${times.time(r.expires_at)}`} · {r.reason}
        </div>
        {r.decisions.map((d) => (
          <div key={d.user_id} className={classes.note}>
            {d.name || d.user_id} {d.approve ? 'approved' : 'denied'} {formatAgo(d.decided_at)}
            {d.comment && `: ${d.comment}`}
          </div>
        ))}
        {r.problem && <div className={classes.failed}>It could not be done: {r.problem}</div>}
        {r.state === 'pending' && !r.may_decide && r.why_not && <div className={classes.note}>{r.why_not}</div>}
        <RowProblem error={back.error} />
      </div>
      {r.state === 'pending' && (
        <Group gap="xs">
          {r.may_decide && <RowAction label="Approve…" name={name} onClick={() => onDecide(true)} />}
          {r.may_decide && <RowAction label="Deny…" name={name} onClick={() => onDecide(false)} />}
          {r.requested_by === me && r.kind !== 'access.break_glass_review' && <RowAction label="Take back" name={name} onClick={() => back.mutate(r.id)} loading={back.isPending} />}
        </Group>
      )}
    </li>
  );
}
