import { Badge, Group, Progress, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import type { ReviewInfo } from '../../api/schemas';
import { formatAgo, plural, useTimes } from '../../ui/format';
import { ListHead, NewButton, RowAction, RowList } from '../../ui/rows';
import classes from '../../ui/rows.module.css';
import { Empty, PageTitle } from '../../ui/states';
import { useMay } from '../auth/session';
import { Inbox } from './Inbox';
import { NewReviewDialog, OwnersDialog } from './dialogs';
import { reviewsQuery } from './api';

const route = getRouteApi('/_app/reviews');

export function ReviewsPage() {
  const { id } = route.useSearch();
  const navigate = route.useNavigate();
  const manage = useMay('access.manage');
  const [asking, setAsking] = useState<'' | 'new' | 'owners'>('');
  const query = useQuery({ ...reviewsQuery, enabled: !id });
  useEffect(() => {
    document.title = 'Access reviews · Probity';
  }, []);
  if (id) return <Inbox id={id} onBack={() => void navigate({ search: {} })} />;
  const open = (review: string): void => void navigate({ search: { id: review } });
  return (
    <div className="page">
      <PageTitle title="Access reviews" lead="From time to time somebody looks at what each person and key has been given, and confirms or revokes it. What is revoked ends at once; a closed review is evidence that the log proves." />
      <ListHead lead={manage ? 'All reviews, newest first.' : 'The reviews in which something waits for you, or waited.'}>
        {manage && (
          <Group gap="xs">
            <RowAction label="Owners of roles" name="" onClick={() => setAsking('owners')} />
            <NewButton label="Begin a review" onClick={() => setAsking('new')} />
          </Group>
        )}
      </ListHead>
      <RowList query={query} label="Reviews" empty={<Empty title="No reviews">{manage ? 'Begin one: it takes down what everybody has been given, and asks the reviewers about each.' : 'Nothing is waiting for you to review.'}</Empty>}>
        {(r) => <Row key={r.id} r={r} onOpen={() => open(r.id)} />}
      </RowList>
      {asking === 'new' && (
        <NewReviewDialog
          onClose={(made) => {
            setAsking('');
            if (made) open(made);
          }}
        />
      )}
      {asking === 'owners' && <OwnersDialog onClose={() => setAsking('')} />}
    </div>
  );
}

function Row({ r, onOpen }: { r: ReviewInfo; onOpen: () => void }) {
  const times = useTimes();
  return (
    <li className={classes.row}>
      <div className={classes.what}>
        <Group gap="xs">
          <span className={classes.name}>{r.name}</span>
          <StateBadge r={r} />
          {r.mine > 0 && r.state === 'open' && <Badge color="amber">{`${plural(r.mine, 'item')} for you`}</Badge>}
        </Group>
        <div className={classes.note}>
          {r.created_by_name || r.created_by}, {formatAgo(r.created_at)}
          {r.state === 'open' ? ` · until ${times.time(r.due_at)}` : ` · closed ${formatAgo(r.closed_at)}`}
          {r.next_at && ` · again ${times.time(r.next_at)}`}
        </div>
        <ReviewProgress r={r} />
      </div>
      <RowAction label="Open" name={r.name} onClick={onOpen} />
    </li>
  );
}

export function StateBadge({ r }: { r: ReviewInfo }) {
  if (r.state === 'closed') return <Badge color="gray">Closed</Badge>;
  return r.overdue_at ? <Badge color="ember">Overdue</Badge> : <Badge color="pine">Open</Badge>;
}

/** How much is decided. */
export function ReviewProgress({ r }: { r: ReviewInfo }) {
  const c = r.counts;
  const done = c.total - c.waiting - c.undecided;
  const share = c.total > 0 ? Math.round((100 * done) / c.total) : 100;
  return (
    <div>
      <Progress value={share} size="sm" mt={6} maw={420} aria-label={`${done} of ${c.total} decided`} />
      <Text size="xs" c="dimmed" mt={4}>
        {done} of {plural(c.total, 'item')} decided: {c.confirmed} confirmed, {c.revoked} revoked
        {c.gone > 0 && `, ${c.gone} had ended`}
        {c.undecided > 0 && `, ${c.undecided} left undecided`}
      </Text>
    </div>
  );
}
