import { Anchor, Badge, Group, Table, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { Difference, SystemInfo } from '../../api/schemas';
import { ConfirmDialog, FormDialog } from '../../ui/dialogs';
import { formatAgo, plural, useTimes } from '../../ui/format';
import { IconExport } from '../../ui/icons';
import { ListHead, NewButton, RowAction, RowList, RowProblem } from '../../ui/rows';
import classes from '../../ui/rows.module.css';
import { Empty, Failure, Loading } from '../../ui/states';
import { useAct } from '../../ui/useAct';
import { useMay } from '../auth/session';
import { SystemDialog } from './SystemDialog';
import { deleteSystem, driftCsv, driftQuery, sync, systemsKey, systemsQuery } from './api';

/** Which role here is which elsewhere, and what differs. */
export function Systems() {
  const query = useQuery(systemsQuery);
  const manage = useMay('access.manage');
  const [editing, setEditing] = useState<SystemInfo | 'new' | null>(null);
  const [deleting, setDeleting] = useState<SystemInfo | null>(null);
  const [applying, setApplying] = useState<SystemInfo | null>(null);
  const [shown, setShown] = useState('');
  return (
    <>
      <ListHead lead="Roles of other systems, such as a shop's or a site's administration, compared with the roles here by people's e-mail addresses. A system only reports until you let it apply.">{manage && <NewButton label="Add a system" onClick={() => setEditing('new')} />}</ListHead>
      <RowList query={query} label="Systems" empty={<Empty title="No other systems">{manage ? 'Add one, say which role here corresponds to which there, and compare.' : 'Nobody has added any.'}</Empty>}>
        {(x) => <Row key={x.id} x={x} manage={manage} shown={shown === x.id} onShow={() => setShown(shown === x.id ? '' : x.id)} onEdit={() => setEditing(x)} onDelete={() => setDeleting(x)} onApply={() => setApplying(x)} />}
      </RowList>
      {editing && <SystemDialog system={editing === 'new' ? null : editing} onClose={() => setEditing(null)} />}
      {deleting && (
        <ConfirmDialog title={`Forget ${deleting.name}?`} label="Forget it" act={() => deleteSystem(deleting.id)} refresh={systemsKey} onClose={() => setDeleting(null)}>
          Its mapping, its secret and its reports are deleted. Nothing changes there.
        </ConfirmDialog>
      )}
      {applying && <ApplyDialog x={applying} onClose={() => setApplying(null)} />}
    </>
  );
}

function ApplyDialog({ x, onClose }: { x: SystemInfo; onClose: () => void }) {
  const run = useAct(sync, systemsKey, onClose);
  return (
    <FormDialog title={`Change roles in ${x.name}?`} submit="Apply" grave pending={run.isPending} error={run.error} onSubmit={() => run.mutate({ id: x.id, apply: true })} onClose={onClose}>
      <Text size="sm">It compares once more, takes roles away that people should not have there, and gives those that are missing: {plural(x.max_changes, 'change')} at most, otherwise none. Each is recorded in the log.</Text>
    </FormDialog>
  );
}

const stateWords: Record<string, string> = { queued: 'Waiting', running: 'Running', done: 'Compared', failed: 'Failed' };
const stateTones: Record<string, string> = { queued: 'amber', running: 'amber', done: 'pine', failed: 'ember' };
const kindNames: Record<string, string> = { http: 'HTTP', medusa: 'Medusa v2', strapi: 'Strapi v5' };

interface RowProps {
  x: SystemInfo;
  manage: boolean;
  shown: boolean;
  onShow: () => void;
  onEdit: () => void;
  onDelete: () => void;
  onApply: () => void;
}

function Row({ x, manage, shown, onShow, onEdit, onDelete, onApply }: RowProps) {
  const times = useTimes();
  const compare = useAct(sync, systemsKey);
  const busy = x.last?.state === 'queued' || x.last?.state === 'running';
  return (
    <li className={classes.row} style={{ flexWrap: 'wrap' }}>
      <div className={classes.what}>
        <Group gap="xs">
          <span className={classes.name}>{x.name}</span>
          <Badge color="gray">{kindNames[x.kind] ?? x.kind}</Badge>
          <Badge color={x.apply ? 'amber' : 'gray'}>{x.apply ? 'May apply' : 'Only reports'}</Badge>
          {x.last && <Badge color={stateTones[x.last.state] ?? 'gray'}>{stateWords[x.last.state] ?? x.last.state}</Badge>}
        </Group>
        <div className={classes.note}>
          {x.base} · {plural(x.rules.length, 'rule')}
          {x.last && ` · last run ${formatAgo(x.last.created_at)}`}
          {x.next_at && ` · next ${times.time(x.next_at)}`}
        </div>
        {x.last?.problem && <div className={classes.failed}>{x.last.problem}</div>}
        <RowProblem error={compare.error} />
      </div>
      <div className={classes.actions}>
        {manage && <RowAction label="Compare" name={x.name} loading={compare.isPending || busy} onClick={() => compare.mutate({ id: x.id, apply: false })} />}
        {manage && x.apply && <RowAction label="Apply…" name={x.name} onClick={onApply} />}
        {x.last && <RowAction label={shown ? 'Hide differences' : 'Differences'} name={x.name} onClick={onShow} />}
        {manage && <RowAction label="Edit" name={x.name} onClick={onEdit} />}
        {manage && <RowAction label="Forget" name={x.name} onClick={onDelete} />}
      </div>
      {shown && x.last && <Drift x={x} run={`${x.last.id} ${x.last.state}`} />}
    </li>
  );
}

const differenceWords: Record<string, string> = {
  missing: 'Is missing there', extra: 'Should not be there', unknown_person: 'Nobody here', no_account: 'No account there', no_role: 'No such role there', ambiguous: 'Several accounts there',
};

/** The newest report of a system. */
function Drift({ x, run }: { x: SystemInfo; run: string }) {
  const { data, error, isPending, refetch } = useQuery({ ...driftQuery(x.id, run), retry: false });
  const times = useTimes();
  if (error) return <Failure error={error} onRetry={() => void refetch()} />;
  if (isPending || !data.report) return <Loading label="Reading the report" />;
  const items = data.report.items;
  return (
    <section aria-label={`Differences of ${x.name}`} style={{ width: '100%' }}>
      <Group justify="space-between" mb="xs">
        <Text size="sm">
          {items.length === 0 ? 'Nothing differs.' : `${plural(items.length, 'difference')}.`} Compared {times.time(data.report.compared_at)} with {plural(data.report.people, 'account')} there.
        </Text>
        <Anchor size="sm" href={driftCsv(x.id)} download>
          <IconExport size={14} /> CSV
        </Anchor>
      </Group>
      {items.length > 0 && (
        <div role="region" aria-label="Table of differences" tabIndex={0} style={{ overflowX: 'auto' }}>
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>What</Table.Th>
                <Table.Th>Person</Table.Th>
                <Table.Th>Role there</Table.Th>
                <Table.Th>State</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {items.slice(0, 500).map((d) => (
                <DriftRow key={`${d.kind} ${d.email} ${d.outside_id} ${d.outside_role}`} d={d} />
              ))}
            </Table.Tbody>
          </Table>
          {items.length > 500 && <Text size="sm">The first 500 are shown; the CSV file has all.</Text>}
        </div>
      )}
    </section>
  );
}

function DriftRow({ d }: { d: Difference }) {
  return (
    <Table.Tr>
      <Table.Td>{differenceWords[d.kind] ?? d.kind}</Table.Td>
      <Table.Td>
        {d.user_name || d.email || d.outside_id}
        {d.user_name && d.email && <div className={classes.note}>{d.email}</div>}
      </Table.Td>
      <Table.Td>{d.outside_role_name || d.outside_role}</Table.Td>
      <Table.Td>{d.done ? (d.kind === 'missing' ? 'Given' : 'Taken away') : d.problem || 'Differs'}</Table.Td>
    </Table.Tr>
  );
}
