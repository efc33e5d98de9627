import { Alert, Button, Group, Loader, Spoiler, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { EventProof, EventView } from '../../api/schemas';
import { Copy } from '../../ui/Copy';
import { IconCheck, IconClose, IconRefresh, IconShield, IconWarn } from '../../ui/icons';
import { Failure } from '../../ui/states';
import { verifyEvent } from '../../verify/event';
import type { Step, Verdict } from '../../verify/event';
import { proofQuery } from '../events/api';
import { rememberKey } from './memory';
import { Disclosed } from './Disclosed';
import classes from './Proof.module.css';

/** Verifies one event here, in the browser, and shows each step. Nothing is believed because the server says it is verified. */
export default function ProofPanel({ view }: { view: EventView }) {
  const proof = useQuery(proofQuery(view.seq));
  const check = useQuery({
    queryKey: ['verdict', view.seq, proof.dataUpdatedAt],
    queryFn: () => verifyEvent(proof.data as EventProof, view),
    enabled: proof.isSuccess,
    staleTime: Infinity,
    retry: false,
  });
  const failed = proof.error ?? check.error;
  if (failed) return <Failure error={failed} onRetry={() => void proof.refetch()} />;
  if (!check.data || !proof.data) {
    return (
      <Group gap="xs" role="status">
        <Loader size="xs" />
        <Text size="sm">{proof.isSuccess ? 'Checking in this browser' : 'Fetching the proof'}…</Text>
      </Group>
    );
  }
  return <Result verdict={check.data} proof={proof.data} onAgain={() => void proof.refetch()} busy={proof.isFetching} />;
}

function Result({ verdict, proof, onAgain, busy }: { verdict: Verdict; proof: EventProof; onAgain: () => void; busy: boolean }) {
  return (
    <div className={classes.panel}>
      <div className={classes.verdict} data-ok={verdict.ok} role="status">
        <IconShield size={26} />
        <div>
          <strong>{verdict.ok ? 'Verified in this browser' : 'This event does not verify'}</strong>
          <Text size="sm">
            {verdict.ok
              ? 'The event is in the signed log, unchanged, and the values shown are the ones that were recorded.'
              : 'At least one step below failed. Keep this page and tell whoever is responsible for the log.'}
          </Text>
        </div>
        <Button size="xs" variant="default" leftSection={<IconRefresh size={14} />} onClick={onAgain} loading={busy}>
          Check again
        </Button>
      </div>
      <ol className={classes.steps}>
        {verdict.steps.map((s) => (
          <StepRow key={s.id} step={s} />
        ))}
      </ol>
      <KeyNote verdict={verdict} />
      {verdict.disclosure && <Disclosed result={verdict.disclosure} mismatches={verdict.mismatches} />}
      <section>
        <Group justify="space-between">
          <h3 className={classes.heading}>The signed checkpoint</h3>
          <Copy value={proof.checkpoint} label="Copy the checkpoint" />
        </Group>
        <pre className={classes.pre} tabIndex={0} aria-label="Signed checkpoint">
          {proof.checkpoint}
        </pre>
      </section>
      {proof.tlog_proof && (
        <section>
          <Group justify="space-between">
            <h3 className={classes.heading}>The proof, for other tools (C2SP tlog-proof)</h3>
            <Copy value={proof.tlog_proof} label="Copy the proof" />
          </Group>
          <Spoiler maxHeight={96} showLabel="Show all" hideLabel="Show less">
            <pre className={classes.pre} tabIndex={0} aria-label="tlog-proof">
              {proof.tlog_proof}
            </pre>
          </Spoiler>
        </section>
      )}
      <Text size="xs" c="dimmed">
        Computed by {verdict.engine}.
      </Text>
    </div>
  );
}

function StepRow({ step }: { step: Step }) {
  return (
    <li className={classes.step} data-ok={step.ok}>
      <span className={classes.mark}>{step.ok ? <IconCheck size={14} /> : <IconClose size={14} />}</span>
      <div>
        <strong>
          <span className="sr">{step.ok ? 'Passed: ' : 'Failed: '}</span>
          {step.title}
        </strong>
        <Text size="sm" c="dimmed">
          {step.detail}
        </Text>
        {step.facts.length > 0 && (
          <details className={classes.details}>
            <summary>{step.facts.length === 1 ? step.facts[0]?.[0] : 'Values'}</summary>
            <dl>
              {step.facts.map(([name, value]) => (
                <div key={name}>
                  <dt>{name}</dt>
                  <dd className="mono">{value}</dd>
                </div>
              ))}
            </dl>
          </details>
        )}
      </div>
    </li>
  );
}

/** Trust has to start somewhere; this says where, and whether it moved. */
function KeyNote({ verdict }: { verdict: Verdict }) {
  if (!verdict.key) return null;
  const id = `${verdict.key.name}+${verdict.key.id}`;
  const memory = rememberKey(verdict.key.name, id);
  if (memory.changed) {
    return (
      <Alert color="ember" icon={<IconWarn />} title="The log's key is not the one this browser saw before">
        <Text size="sm">
          Now <span className="mono">{id}</span>, before <span className="mono">{memory.before}</span>. Keys change only when their owner announces it. Compare with the key that
          you were given.
        </Text>
      </Alert>
    );
  }
  return (
    <Alert color="gray" title="What this rests on">
      <Text size="sm">
        The key <span className="mono">{id}</span> came from this server{memory.first ? ', and this is the first time this browser sees it' : `, as it has since ${memory.since}`}. Compare it once
        with the key that the log's owner gave you by another way; the proof then rests on that key alone.
      </Text>
    </Alert>
  );
}
