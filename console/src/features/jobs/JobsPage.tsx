import { Badge, Button, Group, NativeSelect, Progress, Text } from '@mantine/core';
import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useEffect } from 'react';
import { trouble } from '../../api/problems';
import type { Job } from '../../api/schemas';
import { Empty, Failure, Loading, PageTitle } from '../../ui/states';
import { TextLink } from '../../ui/TextLink';
import { formatDuration, formatNumber, useTimes } from '../../ui/format';
import { useMay } from '../auth/session';
import { act, hasEnded, jobStates, jobsQuery, kindLabel, stateWords } from './api';
import type { JobAction, JobState } from './api';
import classes from './Jobs.module.css';

const route = getRouteApi('/_app/jobs');

export function JobsPage() {
  const { state } = route.useSearch();
  const navigate = route.useNavigate();
  const may = useMay('jobs.view');
  const { data, error, isPending, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery({ ...jobsQuery(state), enabled: may });
  useEffect(() => {
    document.title = 'Jobs · Probity';
  }, []);
  if (!may) return <NotAllowed />;
  const jobs = data?.pages.flatMap((p) => p.items) ?? [];
  return (
    <div className="page">
      <PageTitle
        title="Jobs" lead="Work in the background. What fails is tried again; what keeps failing waits here as a dead letter until somebody decides."
        actions={
          <NativeSelect
            size="xs" aria-label="State" value={state ?? ''}
            onChange={(e) => void navigate({ search: e.currentTarget.value ? { state: e.currentTarget.value as JobState } : {} })}
            data={[{ value: '', label: 'All states' }, ...jobStates.map((s) => ({ value: s, label: stateWords[s] }))]}
          />
        }
      />
      {error && !data && <Failure error={error} onRetry={() => void refetch()} />}
      {isPending && !error && <Loading />}
      {data && jobs.length === 0 && (
        <div className="panel">
          <Empty title={state ? 'No such jobs' : 'No jobs yet'}>{state ? 'Nothing is in this state. Choose another, or all.' : 'Exports and verifications appear here from when they are asked for.'}</Empty>
        </div>
      )}
      {jobs.length > 0 && (
        <ul className={`panel ${classes.jobs}`} aria-label="Jobs">
          {jobs.map((job) => (
            <JobRow key={job.id} job={job} />
          ))}
        </ul>
      )}
      {hasNextPage && (
        <Group justify="center" mt="md">
          <Button variant="default" size="xs" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            Show older jobs
          </Button>
        </Group>
      )}
    </div>
  );
}

function NotAllowed() {
  return (
    <div className="page">
      <PageTitle title="Jobs" />
      <div className="panel">
        <Empty title="Jobs are for administrators">Your own exports, with their progress, are on the page Exports.</Empty>
      </div>
    </div>
  );
}

const failedVerification = 'Failed verification';
const colours: Record<string, string> = { running: 'pine', done: 'pine', dead: 'ember', retrying: 'amber' };

function JobRow({ job }: { job: Job }) {
  const times = useTimes();
  const last = job.errors[job.errors.length - 1];
  return (
    <li className={classes.job} aria-label={`Job ${job.id}`}>
      <div className={classes.main}>
        <Group gap="xs">
          <Text fw={600}>{kindLabel(job.kind)}</Text>
          <Text span size="xs" c="dimmed" className="mono">
            {job.id}
          </Text>
          <Badge color={colours[job.state] ?? 'gray'} variant={job.state === 'running' ? 'outline' : 'light'}>
            {job.cancelling ? 'cancelling' : job.state}
          </Badge>
        </Group>
        <Text size="sm" c="dimmed">
          {times.time(job.created_at)}
          {job.attempt > 1 && ` · attempt ${job.attempt} of ${job.max_attempts}`}
          {(job.state === 'retrying' || job.state === 'scheduled') && ` · due ${times.time(job.due_at)}`}
          {job.finished_at && ` · ended ${times.time(job.finished_at)}`}
        </Text>
        {job.state === 'running' && <Running job={job} />}
        {job.result && (
          <Text size="sm" className={job.result === failedVerification ? classes.failed : undefined}>
            {job.result}
            {job.kind === 'verification' && (
              <>
                {' · '}
                <TextLink to="/log" size="sm">
                  Log integrity
                </TextLink>
              </>
            )}
          </Text>
        )}
        {last && job.state !== 'done' && (
          <Text size="sm" className={classes.failed}>
            {last.message}
          </Text>
        )}
        <Text size="xs" c="dimmed" className={classes.args}>
          {Object.entries(job.args).map(([name, value]) => (
            <span key={name}>
              {name} <span className="mono">{String(value)}</span>
            </span>
          ))}
          {job.requested_by && (
            <span>
              asked for by{' '}
              <TextLink to="/events" search={{ range: 'all', actor: [job.requested_by] }} size="xs" className="mono">
                {job.requested_by}
              </TextLink>
            </span>
          )}
        </Text>
      </div>
      <Actions job={job} />
    </li>
  );
}

function Actions({ job }: { job: Job }) {
  const queries = useQueryClient();
  const may = useMay('jobs.manage');
  const change = useMutation({ mutationFn: (action: JobAction) => act(job.id, action), onSettled: () => queries.invalidateQueries({ queryKey: ['jobs'] }) });
  if (!may) return null;
  const button = (action: JobAction, label: string) => (
    <Button size="xs" variant="default" loading={change.isPending && change.variables === action} disabled={change.isPending} onClick={() => change.mutate(action)} aria-label={`${label} job ${job.id}`}>
      {label}
    </Button>
  );
  return (
    <div>
      <Group gap="xs" justify="flex-end">
        {job.state === 'dead' && button('retry', 'Replay')}
        {job.state === 'dead' && button('delete', 'Delete')}
        {(job.state === 'retrying' || job.state === 'scheduled') && button('retry', 'Run now')}
        {!hasEnded(job) && !job.cancelling && button('cancel', 'Cancel')}
      </Group>
      {change.error && (
        <Text size="sm" className={classes.failed} role="alert" mt={6}>
          {trouble(change.error).detail || trouble(change.error).title}
        </Text>
      )}
    </div>
  );
}

function Running({ job }: { job: Job }) {
  const percent = job.total ? Math.min(100, (job.done / job.total) * 100) : null;
  return (
    <div>
      <Progress.Root size="md" mt={6}>
        <Progress.Section value={percent ?? 100} animated={percent === null} striped={percent === null} aria-label={`Progress of job ${job.id}`} />
      </Progress.Root>
      <Text size="xs" c="dimmed" mt={4}>
        {[
          job.total ? `${formatNumber(job.done)} of ${formatNumber(job.total)}` : formatNumber(job.done),
          job.rate > 0 && `${formatNumber(Math.round(job.rate))}/s`,
          job.eta_seconds !== null && `${formatDuration(job.eta_seconds)} left`,
        ].filter(Boolean).join(' · ')}
      </Text>
    </div>
  );
}
