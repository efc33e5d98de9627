import { Alert, Button, Stack, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { ApiError } from '../../api/client';
import { IconExport, Mark } from '../../ui/icons';
import { Failure, Loading } from '../../ui/states';
import { formatBytes, useTimes } from '../../ui/format';
import { aboutDownload } from './api';
import classes from './Downloads.module.css';

/** Where a download link leads. Nothing is taken before somebody presses the button, so that mail scanners and previews take nothing. */
export function DownloadPage() {
  const [token] = useState(() => window.location.hash.slice(1));
  useEffect(() => {
    document.title = 'Download · Probity';
  }, []);
  return (
    <main className={classes.page} id="main">
      <div className={classes.card}>
        <Stack gap="lg">
          <div className={classes.brand}>
            <Mark size={34} />
            <span>Probity</span>
          </div>
          <Title order={1} size="h3">
            A file for you
          </Title>
          <File token={token} />
        </Stack>
      </div>
    </main>
  );
}

function File({ token }: { token: string }) {
  const times = useTimes();
  const { data, error, isPending, refetch } = useQuery({ queryKey: ['download', token], queryFn: () => aboutDownload(token), retry: false, staleTime: 0 });
  if (error instanceof ApiError && (error.status === 404 || error.status === 400 || error.status === 422)) {
    return (
      <Alert color="ember" title="This link does not work" role="alert">
        It has expired or was revoked, its file is not there any more, or a part of it is missing. Ask whoever sent it for a new one.
      </Alert>
    );
  }
  if (error) return <Failure error={error} onRetry={() => void refetch()} />;
  if (isPending) return <Loading />;
  return (
    <>
      <dl className={classes.facts}>
        <dt>File</dt>
        <dd>{data.file_name}</dd>
        <dt>Size</dt>
        <dd>{formatBytes(data.bytes)}</dd>
        <dt>Until</dt>
        <dd>{times.time(data.expires_at)}</dd>
        <dt>SHA-256</dt>
        <dd className="mono">{data.sha256}</dd>
      </dl>
      <form method="post" action="/api/downloads">
        <input type="hidden" name="token" value={token} />
        <Button type="submit" fullWidth leftSection={<IconExport size={15} />}>
          Download
        </Button>
      </form>
      <Text size="xs" c="dimmed">
        The download is recorded in the audit log of whoever shared the file.
      </Text>
    </>
  );
}
