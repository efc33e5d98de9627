import { Alert, Button, Group, Progress, Text } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import type { ReactNode } from 'react';
import type { LogView } from '../../api/schemas';
import { Copy } from '../../ui/Copy';
import { IconExport, IconShield, IconWarn } from '../../ui/icons';
import { Empty, Failure, Loading, PageTitle } from '../../ui/states';
import { formatAgo, formatNumber, useTimes } from '../../ui/format';
import { useMay } from '../auth/session';
import { Holds } from './Holds';
import { filesOf, logQuery, startVerification, verificationQuery, watchLog } from './api';
import classes from './Log.module.css';

export function LogPage() {
  const { data, error, isPending, refetch } = useQuery(logQuery);
  const manage = useMay('settings.manage');
  useEffect(() => {
    document.title = 'Log integrity · Probity';
  }, []);
  return (
    <div className="page">
      <PageTitle title="Log integrity" lead="Every event is a leaf of a Merkle tree whose head is signed. Here is the head, and how to check it without trusting this server." />
      {error && !data && <Failure error={error} onRetry={() => void refetch()} />}
      {isPending && !error && <Loading />}
      {data?.logs.length === 0 && <Empty title="There is no log yet" />}
      {data?.logs.map((log) => <LogCard key={`${log.log_id}/${log.epoch}`} log={log} />)}
      {manage && (data?.logs.length ?? 0) > 0 && <Holds />}
    </div>
  );
}

function LogCard({ log }: { log: LogView }) {
  const times = useTimes();
  const checkpoint = log.checkpoint;
  const hot = Math.max(0, log.size - log.sealed_size);
  return (
    <>
      <div className={classes.figures}>
        <Figure label="Events in the log" value={formatNumber(log.size)} note={log.base > 0 ? `epoch ${log.epoch}, from seq ${formatNumber(log.base)} on` : `epoch ${log.epoch}`} />
        <Figure label="Sealed" value={formatNumber(log.sealed_size)} note={`${formatNumber(log.segments)} ${log.segments === 1 ? 'segment' : 'segments'}, ${formatNumber(hot)} events not sealed yet`} />
        <Figure
          label="Last signed head" value={checkpoint ? formatNumber(checkpoint.size) : 'none'}
          note={checkpoint?.signed_at ? <span title={times.long(checkpoint.signed_at)}>signed {formatAgo(checkpoint.signed_at)}</span> : ''}
        />
      </div>
      {log.frozen && (
        <Alert color="ember" icon={<IconWarn />} title="The log takes no events">
          {log.frozen}
        </Alert>
      )}
      {log.ended && (
        <Alert color="ember" icon={<IconWarn />} title={`Epoch ${log.epoch} has ended`}>
          A restore lost events after the last of these. The log goes on in a later epoch, whose first event says what was lost.
        </Alert>
      )}
      <BrowserWatch log={log} />
      {!log.ended && <ServerVerification log={log} />}
      <Checkpoint log={log} />
      {!log.ended && <Trust log={log} />}
    </>
  );
}

function Figure({ label, value, note }: { label: string; value: string; note: ReactNode }) {
  return (
    <div className={`panel ${classes.figure}`}>
      <span className={classes.label}>{label}</span>
      <span className={classes.value}>{value}</span>
      <span className={classes.note}>{note}</span>
    </div>
  );
}

function BrowserWatch({ log }: { log: LogView }) {
  const watch = useQuery({
    queryKey: ['watch', log.log_id, log.epoch, log.checkpoint?.text],
    queryFn: () => watchLog(log),
    staleTime: Infinity,
    placeholderData: (old) => old,
  });
  if (watch.error) return <Failure error={watch.error} onRetry={() => void watch.refetch()} />;
  if (!watch.data) return null;
  return (
    <Alert color={watch.data.ok ? 'pine' : 'ember'} icon={watch.data.ok ? <IconShield /> : <IconWarn />} title={watch.data.ok ? 'Checked in this browser' : 'The log’s head does not check out'}>
      {watch.data.detail}
    </Alert>
  );
}

function ServerVerification({ log }: { log: LogView }) {
  const may = useMay('ledger.verify');
  const times = useTimes();
  const queries = useQueryClient();
  const { data, error } = useQuery({ ...verificationQuery, enabled: may });
  const refresh = () => queries.invalidateQueries({ queryKey: ['log'] });
  const start = useMutation({ mutationFn: startVerification, onSettled: refresh });
  const running = data?.running ?? false;
  const last = data?.last ?? log.last_verification;
  const done = data?.done ?? 0;
  const total = data?.total || log.size;
  return (
    <section className={`panel ${classes.card}`}>
      <Group justify="space-between" align="flex-start">
        <div>
          <h2 className={classes.heading}>Full verification</h2>
          <Text size="sm" c="dimmed">
            The server hashes every event again and compares with what it signed, and each working copy with its commitments.
          </Text>
        </div>
        {may && (
          <Button size="xs" onClick={() => start.mutate()} loading={start.isPending || running}>
            Verify now
          </Button>
        )}
      </Group>
      {(start.error ?? error) && <Failure error={start.error ?? error} />}
      {running && (
        <div role="status">
          <Progress.Root size="md" mt="xs">
            <Progress.Section value={total > 0 ? Math.min(100, (done / total) * 100) : 100} aria-label="Verification progress" />
          </Progress.Root>
          <Text size="xs" c="dimmed" mt={4}>
            {formatNumber(done)} of {formatNumber(total)} events
          </Text>
        </div>
      )}
      {last ? (
        <dl className={classes.facts}>
          <dt>Result</dt>
          <dd className={last.ok ? classes.good : classes.bad}>{last.ok ? 'Everything verifies' : last.error || 'Failed'}</dd>
          <dt>When</dt>
          <dd>
            {times.time(last.at)} ({formatAgo(last.at)})
          </dd>
          <dt>Events</dt>
          <dd>
            {formatNumber(last.size)}
            {last.events_per_second > 0 && ` at ${formatNumber(Math.round(last.events_per_second))} per second`}
          </dd>
        </dl>
      ) : (
        !running && <Text size="sm">Not run yet.</Text>
      )}
    </section>
  );
}

function Checkpoint({ log }: { log: LogView }) {
  const base = filesOf(log);
  return (
    <section className={`panel ${classes.card}`}>
      <Group justify="space-between">
        <h2 className={classes.heading}>Signed checkpoint</h2>
        <Group gap="xs">
          <Button component="a" href={`${base}/checkpoint`} download={`checkpoint-${log.log_id}.txt`} size="xs" variant="default" leftSection={<IconExport size={14} />}>
            Checkpoint
          </Button>
          <Button component="a" href={`${base}/keys`} download={`keys-${log.log_id}.txt`} size="xs" variant="default" leftSection={<IconExport size={14} />}>
            Keys
          </Button>
        </Group>
      </Group>
      {log.checkpoint ? (
        <Code text={log.checkpoint.text} label="Signed checkpoint" />
      ) : (
        <Text size="sm" c="dimmed">
          Nothing has been signed yet.
        </Text>
      )}
      <dl className={classes.facts}>
        <dt>Origin</dt>
        <dd className="mono">{log.origin}</dd>
        <dt>Verifier key</dt>
        <dd>
          <span className="mono">{log.vkey}</span> <Copy value={log.vkey} label="Copy the key" />
        </dd>
      </dl>
    </section>
  );
}

function Trust({ log }: { log: LogView }) {
  const command = `probity verify ${window.location.origin} \\\n  --key '${log.vkey}' \\\n  --state checkpoint.txt`;
  return (
    <section className={`panel ${classes.card}`}>
      <h2 className={classes.heading}>What this proves, and what it does not</h2>
      {log.anchoring === 'self-signed' ? (
        <Text size="sm">
          This log is <strong>self-signed</strong>: its heads carry this organisation’s own signature and nobody else’s. Whoever keeps a copy of an old head, as this browser does, can tell
          if anything before it was changed, removed or put in another order. An operator who holds the key could still show two different logs to two people who never compare heads, so keep
          checkpoints in a place that the operator cannot change, and compare them.
        </Text>
      ) : (
        <Text size="sm">
          Anchoring: <strong>{log.anchoring || 'not stated'}</strong>. Keep a copy of a checkpoint in a place that the operator cannot change; whoever has one can tell if anything before it was
          changed or removed.
        </Text>
      )}
      <Text size="sm">To verify from the command line, on a machine of your own; it remembers the head it saw and refuses one that does not extend it:</Text>
      <Code text={command} label="Command to verify" />
      <Text size="sm">
        A proof bundle needs no connection at all: <span className="mono">probity verify bundle.zip --key keys.txt</span>
      </Text>
    </section>
  );
}

function Code({ text, label }: { text: string; label: string }) {
  return (
    <div className={classes.code}>
      <pre tabIndex={0} aria-label={label}>
        {text}
      </pre>
      <Copy value={text} label={`Copy: ${label.toLowerCase()}`} />
    </div>
  );
}
