import { Anchor, Badge, Button, Group, Progress, Text } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { trouble } from '../../api/problems';
import type { ExportJob } from '../../api/schemas';
import { Copy } from '../../ui/Copy';
import { IconExport } from '../../ui/icons';
import { Empty, Failure, Loading, PageTitle } from '../../ui/states';
import { formatBytes, formatDuration, formatNumber, plural, useTimes } from '../../ui/format';
import { LinksDialog } from '../downloads/LinksDialog';
import { cancelExport, downloadUrl, exportsQuery, formatLabel, isRunning } from './api';
import classes from './Exports.module.css';

export function ExportsPage() {
  const { data, error, isPending, refetch } = useQuery(exportsQuery);
  useEffect(() => {
    document.title = 'Exports · Probity';
  }, []);
  return (
    <div className="page">
      <PageTitle
        title="Exports" lead="Files made from the audit log. Start one from the audit log, with the filters that you want."
        actions={
          <>
            <Button component={Link} to="/schedules" variant="default" size="xs">
              Schedules
            </Button>
            <Button component={Link} to="/events" variant="default" size="xs">
              Go to the audit log
            </Button>
          </>
        }
      />
      {error && !data && <Failure error={error} onRetry={() => void refetch()} />}
      {isPending && !error && <Loading />}
      {data && data.items.length === 0 && (
        <div className="panel">
          <Empty title="No exports yet">Choose what you need in the audit log, then press Export.</Empty>
        </div>
      )}
      {data && data.items.length > 0 && (
        <ul className={`panel ${classes.jobs}`}>
          {data.items.map((job) => (
            <Job key={job.id} job={job} />
          ))}
        </ul>
      )}
    </div>
  );
}

const colours: Record<string, string> = { done: 'pine', failed: 'ember', cancelled: 'gray', running: 'pine', queued: 'gray' };

function Job({ job }: { job: ExportJob }) {
  const queries = useQueryClient();
  const times = useTimes();
  const cancel = useMutation({ mutationFn: () => cancelExport(job.id), onSettled: () => queries.invalidateQueries({ queryKey: exportsQuery.queryKey }) });
  const running = isRunning(job);
  const [sharing, setSharing] = useState(false);
  return (
    <li className={classes.job}>
      <div className={classes.main}>
        <Group gap="xs">
          <Text fw={600}>{job.title || `${formatLabel(job.format)} export`}</Text>
          <Badge color="gray">{formatLabel(job.format)}</Badge>
          <Badge color={colours[job.status] ?? 'gray'} variant={job.status === 'running' ? 'outline' : 'light'}>
            {job.status}
          </Badge>
        </Group>
        <Text size="sm" c="dimmed">
          {times.time(job.created_at)} · {plural(job.rows_done, 'row')}
          {job.bytes > 0 && ` · ${formatBytes(job.bytes)}`}
        </Text>
        {running && <Running job={job} />}
        {job.status === 'failed' && (
          <Text size="sm" className={classes.failed}>
            {job.error || 'The export failed without saying why.'}
          </Text>
        )}
        {job.sha256 && (
          <Text size="xs" c="dimmed" className={classes.sha}>
            SHA-256 <span className="mono">{job.sha256}</span> <Copy value={job.sha256} label="Copy SHA-256" />
          </Text>
        )}
        {cancel.error && (
          <Text size="sm" className={classes.failed} role="alert">
            {trouble(cancel.error).title}
          </Text>
        )}
      </div>
      <Group gap="xs">
        {running && (
          <Button size="xs" variant="default" loading={cancel.isPending} onClick={() => cancel.mutate()}>
            Cancel
          </Button>
        )}
        {job.status === 'done' && job.download_url && (
          <Button size="xs" variant="default" onClick={() => setSharing(true)}>
            Share…
          </Button>
        )}
        {job.status === 'done' && job.download_url && (
          <Anchor href={downloadUrl(job)} download underline="never">
            <Button component="span" size="xs" leftSection={<IconExport size={15} />}>
              Download
            </Button>
          </Anchor>
        )}
        {job.status === 'done' && !job.download_url && (
          <Text size="sm" c="dimmed">
            The file has gone
          </Text>
        )}
      </Group>
      {sharing && <LinksDialog job={job} onClose={() => setSharing(false)} />}
    </li>
  );
}

function Running({ job }: { job: ExportJob }) {
  const percent = job.rows_total ? Math.min(100, (job.rows_done / job.rows_total) * 100) : null;
  return (
    <div>
      <Progress.Root size="md" mt={6}>
        <Progress.Section value={percent ?? 100} animated={percent === null} striped={percent === null} aria-label={`Progress of the ${formatLabel(job.format)} export`} />
      </Progress.Root>
      <Text size="xs" c="dimmed" mt={4}>
        {job.status === 'queued'
          ? 'Waiting for its turn'
          : [
              job.rows_total ? `${formatNumber(job.rows_done)} of ${formatNumber(job.rows_total)}` : plural(job.rows_done, 'row'),
              job.rate > 0 && `${formatNumber(Math.round(job.rate))} rows/s`,
              job.eta_seconds !== null && `${formatDuration(job.eta_seconds)} left`,
            ].filter(Boolean).join(' · ')}
      </Text>
    </div>
  );
}
