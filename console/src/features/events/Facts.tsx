import type { ReactNode } from 'react';
import { Num, prettyJSON } from '../../api/json';
import type { EventView, Ref } from '../../api/schemas';
import { StateBadge, stateOf } from '../../table/cells';
import { Copy } from '../../ui/Copy';
import { useTimes, words } from '../../ui/format';
import { TextLink } from '../../ui/TextLink';
import { personFilter, personLabel } from './persons';
import classes from './EventDetail.module.css';

/** Who, what, where and when of an event; what the reader may not see is said, not left out. */
export function Facts({ view }: { view: EventView }) {
  const { context } = view;
  const rest = Object.entries(context).filter(([k]) => !['ip', 'user_agent', 'forwarded_for'].includes(k));
  return (
    <>
      <Section title="Who">
        <PersonRow label="Actor" view={view} who={view.actor} at="/actor" filter="actor" />
        <Row label="Kind" text={view.actor.type && words(view.actor.type)} view={view} path="/actor/type" />
        {view.actor.name && <Row label="Id" text={view.actor.id} view={view} path="/actor/id" mono copy />}
        <Row label="E-mail" text={view.actor.email} view={view} path="/actor/email" />
        <Row label="Roles" text={view.actor.roles.join(', ')} view={view} path="/actor/roles" />
        {view.actor.on_behalf_of.length > 0 && (
          <Row label="On behalf of" text={view.actor.on_behalf_of.map((r) => r.name || r.id || r.type).join(', for ')} view={view} path="/actor/on_behalf_of" />
        )}
        {view.subject && <PersonRow label="Data subject" view={view} who={view.subject} at="/subject" filter="subject" />}
      </Section>
      <Section title="What">
        <Row label="Action" text={view.action} view={view} path="/action" mono copy />
        <ResourceRow view={view} />
        <Row label="Outcome" text={[view.outcome.status, view.outcome.reason].filter(Boolean).join(': ')} view={view} path="/outcome/reason" />
        <Row label="Reason" text={view.reason} view={view} path="/reason" />
        <EntryRow view={view} />
        <Row label="Activity" text={[view.category, view.activity].filter(Boolean).join(' · ')} view={view} path="/activity" />
        <Row label="Severity" text={view.severity} view={view} path="/severity" />
      </Section>
      <Section title="Where">
        <Row label="Source" text={view.source} view={view} path="/source" mono />
        <Row label="IP address" text={str(context['ip'])} view={view} path="/context/ip" mono copy />
        <Row label="Forwarded for" text={Array.isArray(context['forwarded_for']) ? context['forwarded_for'].map(str).join(' → ') : str(context['forwarded_for'])} view={view} path="/context/forwarded_for" mono />
        <Row label="User agent" text={str(context['user_agent'])} view={view} path="/context/user_agent" />
        {rest.map(([k, v]) => (
          <Row key={k} label={words(k)} text={str(v)} view={view} path={`/context/${escape(k)}`} mono={/_id$/.test(k)} />
        ))}
      </Section>
      <When view={view} />
      <Members title="Custom fields" values={view.custom} view={view} prefix="/custom" />
      <Members title="Further data" values={view.data} view={view} prefix="/data" />
    </>
  );
}

function When({ view }: { view: EventView }) {
  const times = useTimes();
  return (
    <Section title="When and which">
      <Row label="Recorded" text={times.long(view.recorded_at)} view={view} path="/recorded_at" />
      <Row label="Occurred" text={times.long(view.occurred_at)} view={view} path="/occurred_at" />
      <Row label="Seq" text={String(view.seq)} view={view} path="/seq" mono copy />
      <Row label="Event id" text={view.id} view={view} path="/id" mono copy />
      <Row label="Correlation" text={view.correlation_id} view={view} path="/correlation_id" mono copy />
      <Row label="Leaf hash" text={view.leaf_hash} view={view} path="/leaf_hash" mono copy />
    </Section>
  );
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className={classes.section}>
      <h3 className={classes.heading}>{title}</h3>
      <dl className={classes.facts}>{children}</dl>
    </section>
  );
}

interface RowProps {
  label: string;
  text: string;
  view: EventView;
  path: string;
  mono?: boolean;
  copy?: boolean;
}

/** One fact. Nothing is drawn for what the event does not have; what is hidden from this reader gets its badge. */
function Row({ label, text, view, path, mono, copy }: RowProps) {
  const state = stateOf(view, path);
  if (!text && !state) return null;
  return (
    <>
      <dt>{label}</dt>
      <dd>
        <span className={classes.inline}>
          {text && <span className={mono ? 'mono' : undefined}>{text}</span>}
          {state && <StateBadge state={state} of={label} />}
          {copy && text && !state && <Copy value={text} label={`Copy ${label.toLowerCase()}`} />}
        </span>
      </dd>
    </>
  );
}

function PersonRow({ label, view, who, at, filter }: { label: string; view: EventView; who: Ref & { email?: string }; at: string; filter: 'actor' | 'subject' }) {
  const state = stateOf(view, `${at}/name`, `${at}/id`);
  const name = personLabel(who);
  if (!who.id && !who.name && !who.handle && !who.email && !state) return null;
  return (
    <>
      <dt>{label}</dt>
      <dd>
        <span className={classes.inline}>
          {state !== 'withheld' && state !== 'erased' && <span>{name}</span>}
          {state && <StateBadge state={state} of={label} />}
          {(who.handle || who.id) && (
            <TextLink to="/events" search={{ [filter]: [personFilter(who)], range: '90d' }} size="xs">
              all {filter === 'actor' ? 'by' : 'about'} them
            </TextLink>
          )}
        </span>
      </dd>
    </>
  );
}

/** The entry of the log that gave cause to lock an account. */
function EntryRow({ view }: { view: EventView }) {
  const seq = view.source === 'probity' && view.action === 'user.lock' ? str(view.data['entry']) : '';
  if (!/^\d+$/.test(seq)) return null;
  return (
    <>
      <dt>Because of</dt>
      <dd>
        <TextLink to="/events/$seq" params={{ seq }}>
          event {seq}
        </TextLink>
      </dd>
    </>
  );
}

function ResourceRow({ view }: { view: EventView }) {
  const { resource } = view;
  const state = stateOf(view, '/resource/name', '/resource/id');
  if (!resource.type) return null;
  return (
    <>
      <dt>Resource</dt>
      <dd>
        <span className={classes.inline}>
          <span>
            {resource.type} {resource.name && <>“{resource.name}” </>}
            {resource.id && <span className="mono">{resource.id}</span>}
          </span>
          {state && <StateBadge state={state} />}
          {resource.id && !state && (
            <TextLink to="/resources/$type/$id" params={{ type: resource.type, id: resource.id }} size="xs">
              history
            </TextLink>
          )}
        </span>
      </dd>
    </>
  );
}

function Members({ title, values, view, prefix }: { title: string; values: Record<string, unknown>; view: EventView; prefix: string }) {
  const entries = Object.entries(values);
  const whole = view.fields_state[prefix];
  if (entries.length === 0 && !whole) return null;
  return (
    <Section title={title}>
      {whole && entries.length === 0 && (
        <>
          <dt>All of it</dt>
          <dd>
            <StateBadge state={whole} />
          </dd>
        </>
      )}
      {entries.map(([k, v]) => (
        <Row key={k} label={k} text={v !== null && typeof v === 'object' && !(v instanceof Num) ? prettyJSON(v) : str(v)} view={view} path={`${prefix}/${escape(k)}`} mono={typeof v !== 'string'} />
      ))}
    </Section>
  );
}

function str(v: unknown): string {
  if (v === null || v === undefined) return '';
  if (typeof v === 'string') return v;
  return v instanceof Num ? v.source : prettyJSON(v);
}

function escape(token: string): string {
  return token.replaceAll('~', '~0').replaceAll('/', '~1');
}
