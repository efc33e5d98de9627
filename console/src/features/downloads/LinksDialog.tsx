import { Alert, Badge, Button, Group, Modal, Stack, Text } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { DownloadLink, ExportJob } from '../../api/schemas';
import { Copy } from '../../ui/Copy';
import { Failure, Loading } from '../../ui/states';
import { plural, useTimes } from '../../ui/format';
import { createLink, linksQuery, revokeLink } from './api';
import classes from './Downloads.module.css';

/** The address as it can be sent to somebody: the server knows only its path when nobody has told it where it is reached. */
function absolute(url: string): string {
  return url.startsWith('/') ? window.location.origin + url : url;
}

export function LinksDialog({ job, onClose }: { job: ExportJob; onClose: () => void }) {
  const queries = useQueryClient();
  const query = linksQuery(job.id);
  const { data, error, isPending, refetch } = useQuery(query);
  const create = useMutation({ mutationFn: () => createLink(job.id), onSettled: () => queries.invalidateQueries({ queryKey: query.queryKey }) });
  return (
    <Modal opened onClose={onClose} title="Share this file" size="lg">
      <Stack>
        <Text size="sm" c="dimmed">
          Whoever has a link can take the file, without an account, until the link expires or is revoked. Each download is recorded.
        </Text>
        {create.data && (
          <Alert color="amber" title="Copy the link now: it is shown this once">
            <div className={classes.url}>
              <span className="mono" data-testid="download-link">
                {absolute(create.data.url)}
              </span>
              <Copy value={absolute(create.data.url)} label="Copy the link" />
            </div>
          </Alert>
        )}
        {create.error && <Failure error={create.error} />}
        {error && !data && <Failure error={error} onRetry={() => void refetch()} />}
        {isPending && !error && <Loading />}
        {data && data.items.length > 0 && (
          <ul className={classes.links} aria-label="Links">
            {data.items.map((l) => (
              <Row key={l.id} exportId={job.id} item={l} />
            ))}
          </ul>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Close
          </Button>
          <Button onClick={() => create.mutate()} loading={create.isPending} data-autofocus>
            Make a link
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

function Row({ exportId, item }: { exportId: string; item: DownloadLink }) {
  const queries = useQueryClient();
  const times = useTimes();
  const revoke = useMutation({ mutationFn: () => revokeLink(exportId, item.id), onSettled: () => queries.invalidateQueries({ queryKey: linksQuery(exportId).queryKey }) });
  return (
    <li className={classes.link}>
      <div>
        <Group gap="xs">
          <Badge color={item.status === 'open' ? 'pine' : 'gray'}>{item.status}</Badge>
          <Text size="sm">{item.recipient ? 'E-mailed' : 'Made'} {times.time(item.created_at)}</Text>
        </Group>
        <Text size="xs" c="dimmed">
          {item.status === 'revoked' ? `Revoked ${times.time(item.revoked_at)}` : `Until ${times.time(item.expires_at)}`} · {plural(item.downloads, 'download')}
        </Text>
        {revoke.error && <Failure error={revoke.error} />}
      </div>
      {item.status === 'open' && (
        <Button size="xs" variant="default" loading={revoke.isPending} onClick={() => revoke.mutate()}>
          Revoke
        </Button>
      )}
    </li>
  );
}
