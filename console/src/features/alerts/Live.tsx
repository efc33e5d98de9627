import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import type { ReactNode } from 'react';
import { followEvents } from '../../api/stream';
import type { StreamState } from '../../api/stream';
import type { EventView } from '../../api/schemas';
import { formatAgo, formatCompact, formatNumber } from '../../ui/format';
import { Failure } from '../../ui/states';
import { TextLink } from '../../ui/TextLink';
import classes from './Live.module.css';
import { newestQuery, recentQuery, rulesQuery } from './api';

/** How many seconds the rate is shown for, and how many failures. */
const seconds = 60;
const failures = 8;

interface Flow {
  state: StreamState;
  rate: number[];
  failed: EventView[];
}

/** Follows what failed and was denied; the head tells how fast the log grows, whatever the events are. */
function useFlow(): Flow {
  const [flow, setFlow] = useState<Flow>({ state: 'connecting', rate: [], failed: [] });
  const head = useRef<number | null>(null);
  const before = useRef<number | null>(null);
  useEffect(() => {
    let arrived: EventView[] = [];
    const stop = followEvents({ outcome: ['failure', 'denied'] }, NaN, {
      onEvent: (e) => {
        arrived = [e, ...arrived].slice(0, failures);
      },
      onHead: (seq) => {
        head.current = seq;
        before.current ??= seq;
      },
      onState: (state) => setFlow((f) => ({ ...f, state })),
    });
    const timer = setInterval(() => {
      const fresh = arrived;
      arrived = [];
      const grown = head.current !== null && before.current !== null ? head.current - before.current : 0;
      before.current = head.current;
      setFlow((f) => ({ ...f, rate: [...f.rate, grown].slice(-seconds), failed: [...fresh, ...f.failed].slice(0, failures) }));
    }, 1000);
    return () => {
      stop();
      clearInterval(timer);
    };
  }, []);
  return flow;
}

const states: Record<StreamState, string> = { open: 'live', connecting: 'connecting…', broken: 'the connection was refused; reload the page' };

export function Live({ onOpen }: { onOpen: (id: string) => void }) {
  const flow = useFlow();
  const recent = useQuery(recentQuery);
  const newest = useQuery(newestQuery);
  const rules = useQuery(rulesQuery);
  const top = Math.max(1, ...flow.rate);
  const last = flow.rate.slice(-10);
  const perSecond = last.length > 0 ? last.reduce((a, b) => a + b, 0) / last.length : 0;
  const failed = recent.data?.buckets.reduce((n, b) => n + b.failures, 0) ?? 0;
  return (
    <>
      <dl className={classes.figures}>
        <Figure label={`Events a second (${states[flow.state]})`} value={perSecond < 10 ? perSecond.toFixed(1) : formatCompact(perSecond)} />
        <Figure label="Events in 15 minutes" value={recent.data ? formatNumber(recent.data.total) : '–'} />
        <Figure label="Failed or denied in 15 minutes" value={recent.data ? formatNumber(failed) : '–'} />
        <Figure label="Alerts that have not ended" value={rules.data ? formatNumber(rules.data.items.reduce((n, r) => n + r.open, 0)) : '–'} />
      </dl>
      {(recent.error ?? newest.error) && <Failure error={recent.error ?? newest.error} onRetry={() => void Promise.all([recent.refetch(), newest.refetch()])} />}
      <section className="panel" aria-label="The last minute">
        <div className={classes.columns}>
          <h2>The last minute</h2>
        </div>
        <div className={classes.bars} aria-hidden="true">
          {Array.from({ length: seconds }, (_, i) => (
            <span key={i} style={{ height: `${((flow.rate[i - seconds + flow.rate.length] ?? 0) / top) * 100}%` }} />
          ))}
        </div>
      </section>
      <div className={classes.columns} style={{ marginTop: '0.8rem' }}>
        <Panel title="Newest alerts" none={newest.data?.items.length === 0 ? 'There were none.' : ''}>
          {newest.data?.items.map((a) => (
            <li key={a.id}>
              <button type="button" className={classes.open} onClick={() => onOpen(a.id)}>
                {a.rule}
                {a.group && `: ${a.group}`}
              </button>
              <span>{formatAgo(a.fired_at)}</span>
            </li>
          ))}
        </Panel>
        <Panel title="Most active in 15 minutes" none={recent.data?.actors.length === 0 ? 'Nobody did anything.' : ''}>
          {recent.data?.actors.slice(0, 8).map((a) => (
            <li key={a.handle}>
              <TextLink to="/events" search={{ actor: [`handle:${a.handle}`], range: '15m' }}>
                {a.name || `Person ${a.handle}`}
              </TextLink>
              <span>{formatNumber(a.count)}</span>
            </li>
          ))}
        </Panel>
        <Panel title="Failed and denied, as it happens" none={flow.failed.length === 0 ? 'Nothing since this page was opened.' : ''}>
          {flow.failed.map((e) => (
            <li key={e.seq}>
              <TextLink to="/events/$seq" params={{ seq: String(e.seq) }}>
                {e.sentence || e.action}
              </TextLink>
            </li>
          ))}
        </Panel>
      </div>
    </>
  );
}

function Figure({ label, value }: { label: string; value: string }) {
  return (
    <div className={`panel ${classes.figure ?? ''}`}>
      <dt>{label}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Panel({ title, none, children }: { title: string; none: string; children: ReactNode }) {
  return (
    <section className="panel">
      <h2>{title}</h2>
      {none ? <p className={classes.none}>{none}</p> : <ul className={classes.list}>{children}</ul>}
    </section>
  );
}
