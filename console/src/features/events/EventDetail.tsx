import { Badge, Tabs, Text } from '@mantine/core';
import { Suspense, lazy, useEffect } from 'react';
import type { EventView } from '../../api/schemas';
import { prettyJSON } from '../../api/json';
import { Outcome, Severity, StateBadge } from '../../table/cells';
import { Copy } from '../../ui/Copy';
import { Loading } from '../../ui/states';
import { useTimes, words } from '../../ui/format';
import { useMay } from '../auth/session';
import { Changes } from './Changes';
import { Facts } from './Facts';
import { Related } from './Related';
import classes from './EventDetail.module.css';

const ProofPanel = lazy(() => import('../proof/ProofPanel'));
// Not before an event is open.
const LockActor = lazy(() => import('./LockActor').then((m) => ({ default: m.LockActor })));
const AskToSee = lazy(() => import('./AskToSee').then((m) => ({ default: m.AskToSee })));

/** Everything about one event: the sentence, who, what, where, when, what changed, what is around it, and the proof. */
export function EventDetail({ view, standalone }: { view: EventView; standalone?: boolean }) {
  const times = useTimes();
  const mayVerify = useMay('ledger.verify');
  const title = view.sentence || view.action;
  useEffect(() => {
    if (standalone) document.title = `${title} · Probity`;
  }, [standalone, title]);
  const states = [...new Set(Object.values(view.fields_state))];
  const Heading = standalone ? 'h1' : 'h2';
  return (
    <article>
      <Heading className={classes.title}>{title}</Heading>
      <div className={classes.sub}>
        <time dateTime={view.occurred_at}>{times.long(view.occurred_at)}</time>
        <Outcome status={view.outcome.status} />
        {view.severity && view.severity !== 'info' && <Severity level={view.severity} />}
        {view.category && <Badge size="sm" color="gray">{words(view.category)}</Badge>}
        {states.map((s) => (
          <StateBadge key={s} state={s} />
        ))}
      </div>
      <Suspense fallback={null}>
        <AskToSee view={view} />
      </Suspense>
      <Tabs defaultValue="details" keepMounted={false} mt="sm">
        <Tabs.List aria-label="About this event">
          <Tabs.Tab value="details">Details</Tabs.Tab>
          <Tabs.Tab value="related">Related</Tabs.Tab>
          <Tabs.Tab value="raw">Raw</Tabs.Tab>
          {mayVerify && <Tabs.Tab value="proof">Proof</Tabs.Tab>}
        </Tabs.List>
        <Tabs.Panel value="details" pt="md">
          {(view.changes.length > 0 || view.fields_state['/changes']) && (
            <section className={classes.section}>
              <h3 className={classes.heading}>What changed</h3>
              <Changes view={view} />
            </section>
          )}
          <Facts view={view} />
          <Suspense fallback={null}>
            <LockActor view={view} />
          </Suspense>
        </Tabs.Panel>
        <Tabs.Panel value="related" pt="md">
          <Related view={view} />
        </Tabs.Panel>
        <Tabs.Panel value="raw" pt="md">
          <Raw view={view} />
        </Tabs.Panel>
        {mayVerify && (
          <Tabs.Panel value="proof" pt="md">
            <Suspense fallback={<Loading label="Preparing the check" />}>
              <ProofPanel view={view} />
            </Suspense>
          </Tabs.Panel>
        )}
      </Tabs>
    </article>
  );
}

function Raw({ view }: { view: EventView }) {
  const text = prettyJSON(view.raw);
  return (
    <div className={classes.raw}>
      <div className={classes.rawBar}>
        <Text size="xs" c="dimmed">
          As the API answers, numbers as they were recorded
        </Text>
        <Copy value={text} label="Copy JSON" />
      </div>
      <pre tabIndex={0} aria-label="Event as JSON">
        {text}
      </pre>
    </div>
  );
}
