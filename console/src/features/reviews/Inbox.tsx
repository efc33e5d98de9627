import { Alert, Anchor, Badge, Button, Checkbox, Group, SegmentedControl } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import type { ReviewInfo, ReviewItem } from '../../api/schemas';
import { formatAgo, plural, useTimes } from '../../ui/format';
import { IconExport } from '../../ui/icons';
import { RowAction, RowList, RowProblem } from '../../ui/rows';
import rows from '../../ui/rows.module.css';
import { Empty, Failure, Loading, PageTitle } from '../../ui/states';
import { useAct } from '../../ui/useAct';
import { useShortcuts } from '../../ui/useShortcuts';
import { useMay } from '../auth/session';
import { CloseDialog, DecideDialog } from './dialogs';
import { ReviewProgress, StateBadge } from './ReviewsPage';
import { evidenceUrl, itemsQuery, reviewQuery, reviewsKey, stopRepeating } from './api';
import classes from './Reviews.module.css';

type View = 'mine' | 'waiting' | 'all';

interface Deciding {
  items: ReviewItem[];
  revoke: boolean;
}

/** One review: what waits, what was decided, and the evidence once it is closed. */
export function Inbox({ id, onBack }: { id: string; onBack: () => void }) {
  const review = useQuery(reviewQuery(id));
  if (review.error && !review.data)
    return (
      <div className="page">
        <PageTitle title="Access review" />
        <Failure error={review.error} onRetry={() => void review.refetch()} />
        <Button mt="md" size="xs" variant="default" onClick={onBack}>
          All reviews
        </Button>
      </div>
    );
  if (!review.data) return <Loading />;
  return <Opened r={review.data} onBack={onBack} />;
}

function Opened({ r, onBack }: { r: ReviewInfo; onBack: () => void }) {
  const [view, setView] = useState<View>(r.state === 'closed' ? 'all' : r.mine > 0 ? 'mine' : 'waiting');
  const [after, setAfter] = useState('');
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [deciding, setDeciding] = useState<Deciding | null>(null);
  const [notes, setNotes] = useState<string[]>([]);
  const query = useQuery(itemsQuery(r.id, { state: view === 'all' ? '' : 'waiting', mine: view === 'mine', after }));
  const items = query.data?.items ?? [];
  const simple = items.filter((i) => i.may_decide && i.sensitivity === 'normal');
  const picked = items.filter((i) => chosen.has(i.id));
  const { active, step, list } = useActive(items.length, `${view} ${after}`);
  const decide = (i: ReviewItem | undefined, revoke: boolean): void => {
    if (i?.may_decide) setDeciding({ items: [i], revoke });
  };
  const toggle = (i: ReviewItem): void => setChosen((old) => new Set(old.has(i.id) ? [...old].filter((x) => x !== i.id) : [...old, i.id]));
  useShortcuts({
    j: () => step(1),
    k: () => step(-1),
    c: () => decide(items[active], false),
    x: () => decide(items[active], true),
    ' ': () => {
      const i = items[active];
      if (i?.may_decide && i.sensitivity === 'normal') toggle(i);
    },
    Escape: onBack,
  });
  return (
    <div className="page">
      <Head r={r} onBack={onBack} />
      {notes.length > 0 && (
        <Alert color="amber" title="This has to be ended elsewhere as well" mb="md" withCloseButton closeButtonLabel="Understood" onClose={() => setNotes([])}>
          What was revoked ended here, and comes back unless it is ended where it comes from: {notes.join('; ')}.
        </Alert>
      )}
      <Group justify="space-between" mb="sm" gap="xs">
        <SegmentedControl
          size="xs" aria-label="Which items" value={view} data={[{ value: 'mine', label: 'For me' }, { value: 'waiting', label: 'Waiting' }, { value: 'all', label: 'All' }]}
          onChange={(v) => {
            setView(v as View);
            setAfter('');
            setChosen(new Set());
          }}
        />
        {simple.length > 1 && (
          <Group gap="xs">
            <Checkbox
              size="xs" label={`Choose all ${simple.length} that are not sensitive`} checked={picked.length === simple.length} indeterminate={picked.length > 0 && picked.length < simple.length}
              onChange={(e) => setChosen(new Set(e.currentTarget.checked ? simple.map((i) => i.id) : []))}
            />
            <Button size="xs" disabled={picked.length === 0} onClick={() => setDeciding({ items: picked, revoke: false })}>
              Confirm {picked.length > 0 ? plural(picked.length, 'item') : ''}…
            </Button>
          </Group>
        )}
      </Group>
      <div ref={list}>
        <RowList query={query} label="Items" empty={<Empty title={view === 'mine' ? 'Nothing waits for you' : view === 'waiting' ? 'Everything is decided' : 'There is nothing in this review'} />}>
          {(i) => <Row key={i.id} i={i} active={items[active]?.id === i.id} chosen={chosen.has(i.id)} onChoose={() => toggle(i)} onDecide={(revoke) => decide(i, revoke)} />}
        </RowList>
      </div>
      <Group mt="md" gap="xs" justify="space-between">
        <Group gap="xs">
          {after && (
            <Button size="xs" variant="default" onClick={() => setAfter('')}>
              From the beginning
            </Button>
          )}
          {query.data?.more && (
            <Button size="xs" variant="default" onClick={() => setAfter(items.at(-1)?.id ?? '')}>
              Next page
            </Button>
          )}
        </Group>
        {items.some((i) => i.may_decide) && <span className={rows.note}>Keys: j and k move, c confirms, x revokes, space chooses</span>}
      </Group>
      {deciding && (
        <DecideDialog
          id={r.id} items={deciding.items} revoke={deciding.revoke} onClose={() => setDeciding(null)}
          onDone={(elsewhere) => {
            setDeciding(null);
            setChosen(new Set());
            setNotes(elsewhere);
          }}
        />
      )}
    </div>
  );
}

/** The row that keys speak of; it begins anew with another list. */
function useActive(n: number, key: string) {
  const [at, setAt] = useState({ key, i: -1 });
  const list = useRef<HTMLDivElement>(null);
  const active = at.key === key ? Math.min(at.i, n - 1) : -1;
  useEffect(() => {
    list.current?.querySelector('[data-active]')?.scrollIntoView({ block: 'nearest' });
  }, [active]);
  return { active, list, step: (d: number): void => setAt({ key, i: Math.max(0, Math.min(n - 1, active + d)) }) };
}

function Head({ r, onBack }: { r: ReviewInfo; onBack: () => void }) {
  const times = useTimes();
  const manage = useMay('access.manage');
  const sees = useMay('access.view') || manage;
  const [closing, setClosing] = useState(false);
  const stop = useAct(stopRepeating, reviewsKey);
  return (
    <div className={classes.head}>
      <PageTitle
        title={r.name}
        lead={
          <>
            {r.state === 'open' ? `To be decided until ${times.time(r.due_at)}` : `Closed ${times.time(r.closed_at)}`} · begun by {r.created_by_name || r.created_by}
            {r.next_at && ` · the next one begins ${times.time(r.next_at)}`}
            {r.auto_revoke && r.state === 'open' && ' · what nobody decides in time is revoked'}
          </>
        }
        actions={
          <>
            <Button size="xs" variant="default" onClick={onBack}>
              All reviews
            </Button>
            {manage && r.next_at && (
              <Button size="xs" variant="default" loading={stop.isPending} onClick={() => stop.mutate(r.id)}>
                Do not repeat
              </Button>
            )}
            {manage && r.state === 'open' && (
              <Button size="xs" onClick={() => setClosing(true)}>
                Close…
              </Button>
            )}
          </>
        }
      />
      <RowProblem error={stop.error} />
      <Group gap="xs" mt="xs">
        <StateBadge r={r} />
      </Group>
      <ReviewProgress r={r} />
      {r.state === 'closed' && sees && <Evidence r={r} />}
      {closing && <CloseDialog r={r} onClose={() => setClosing(false)} />}
    </div>
  );
}

function Evidence({ r }: { r: ReviewInfo }) {
  return (
    <section aria-label="Evidence" className={classes.evidence}>
      <Group gap="md">
        {[['csv', 'Decisions (CSV)'], ['json', 'With proofs (JSON)'], ['pdf', 'Report (PDF)'], ['bundle', 'Bundle to verify (ZIP)']].map(([format = '', label]) => (
          <Anchor key={format} size="sm" href={evidenceUrl(r.id, format)} download>
            <IconExport size={14} /> {label}
          </Anchor>
        ))}
      </Group>
      <div className={rows.note}>
        SHA-256 of the decisions, as recorded when it was closed: <span className="mono">{r.sha256}</span>
      </div>
    </section>
  );
}

const tones: Record<string, string> = { waiting: 'amber', confirmed: 'pine', revoked: 'ember', gone: 'gray', undecided: 'gray' };
const stateWords: Record<string, string> = { waiting: 'Waiting', confirmed: 'Confirmed', revoked: 'Revoked', gone: 'Had ended', undecided: 'Not decided' };
const kindWords: Record<string, string> = { assignment: 'Role', elevation: 'Standing elevation', api_key: 'API key', group: 'Group elsewhere' };

interface RowProps {
  i: ReviewItem;
  active: boolean;
  chosen: boolean;
  onChoose: () => void;
  onDecide: (revoke: boolean) => void;
}

function Row({ i, active, chosen, onChoose, onDecide }: RowProps) {
  const times = useTimes();
  const name = `${i.what} of ${i.user_name || i.user_id || 'the system'}`;
  const bulk = i.may_decide && i.sensitivity === 'normal';
  return (
    <li className={`${rows.row ?? ''} ${classes.item ?? ''}`} {...(active ? { 'data-active': true, 'aria-current': 'true' } : {})}>
      {bulk && <Checkbox size="xs" mt={4} checked={chosen} onChange={onChoose} aria-label={`Choose ${name}`} />}
      <div className={rows.what}>
        <Group gap="xs">
          <span className={rows.name}>{i.user_name || i.user_id || 'The system'}</span>
          <span>{i.what}</span>
          <Badge color="gray">{kindWords[i.kind] ?? i.kind}</Badge>
          {i.sensitivity !== 'normal' && <Badge color="ember">{i.sensitivity}</Badge>}
          {i.state !== 'waiting' && <Badge color={tones[i.state] ?? 'gray'}>{stateWords[i.state] ?? i.state}</Badge>}
        </Group>
        <div className={rows.note}>
          {i.granted_at && `since ${times.time(i.granted_at)}`}
          {i.expires_at && ` · until ${times.time(i.expires_at)}`}
          {i.scope && ` · only ${i.scope}`}
          {' · '}
          {i.last_used_at ? `last used ${formatAgo(i.last_used_at)}` : 'no use is known'}
          {i.permissions.length > 0 && ` · ${i.permissions.join(', ')}`}
        </div>
        {i.elsewhere && <div className={rows.note}>Comes from outside: {i.elsewhere}</div>}
        {i.state === 'waiting' && !i.may_decide && <div className={rows.note}>{i.why_not || (i.reviewer_names.length > 0 ? `Reviewed by ${i.reviewer_names.join(', ')}` : '')}</div>}
        {i.decided_at && (
          <div className={rows.note}>
            {i.decided_by_name || i.decided_by}, {formatAgo(i.decided_at)}: {i.reason}
          </div>
        )}
      </div>
      {i.may_decide && (
        <Group gap="xs" wrap="nowrap">
          <RowAction label="Confirm…" name={name} onClick={() => onDecide(false)} />
          <RowAction label="Revoke…" name={name} onClick={() => onDecide(true)} />
        </Group>
      )}
    </li>
  );
}
