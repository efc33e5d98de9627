import { Group, Skeleton, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { EventView } from '../../api/schemas';
import { Outcome, stateOf } from '../../table/cells';
import { Failure } from '../../ui/states';
import { TextLink } from '../../ui/TextLink';
import { useTimes } from '../../ui/format';
import { relatedQuery } from './api';
import type { EventSearch } from './filter';
import { personFilter, personLabel } from './persons';
import classes from './EventDetail.module.css';

/** Events that share the operation, the resource or the actor. */
export function Related({ view }: { view: EventView }) {
  const { resource, actor, subject, correlation_id } = view;
  // A masked id is no id: it would find nothing, or somebody else's events.
  const known = resource.type && resource.id && !stateOf(view, '/resource/id');
  return (
    <>
      {correlation_id && (
        <RelatedGroup title="Same operation" search={{ correlation_id, range: 'all' }} view={view} query={{ correlation_id }} />
      )}
      {known && (
        <RelatedGroup title={`Same ${resource.type}`} search={{ resource: [`${resource.type}/${resource.id}`], range: 'all' }} view={view} query={{ resource: `${resource.type}/${resource.id}` }} />
      )}
      {(actor.handle || actor.id) && (
        <RelatedGroup title={`Same actor: ${personLabel(actor)}`} search={{ actor: [personFilter(actor)], range: '90d' }} view={view} query={{ actor: personFilter(actor) }} />
      )}
      {subject?.handle && subject.handle !== actor.handle && (
        <RelatedGroup title={`Same data subject: ${personLabel(subject)}`} search={{ subject: [personFilter(subject)], range: 'all' }} view={view} query={{ subject: personFilter(subject) }} />
      )}
    </>
  );
}

function RelatedGroup({ title, search, query, view }: { title: string; search: EventSearch; query: Record<string, string>; view: EventView }) {
  const times = useTimes();
  const { data, error, isPending, refetch } = useQuery(relatedQuery(query));
  const others = data?.items.filter((e) => e.seq !== view.seq) ?? [];
  return (
    <section className={classes.section}>
      <Group justify="space-between" align="baseline" gap="xs">
        <h3 className={classes.heading}>{title}</h3>
        <TextLink to="/events" search={search} size="xs">
          Show in the audit log
        </TextLink>
      </Group>
      {error && <Failure error={error} onRetry={() => void refetch()} />}
      {isPending && !error && <Skeleton height={60} />}
      {data && others.length === 0 && (
        <Text size="sm" c="dimmed">
          No other events.
        </Text>
      )}
      <ul className={classes.list}>
        {others.map((e) => (
          <li key={e.seq}>
            <Link to="/events/$seq" params={{ seq: String(e.seq) }} className={classes.related ?? ''}>
              <span className={classes.relatedTitle}>{e.sentence || e.action}</span>
              <span className={classes.relatedMeta}>
                <time dateTime={e.occurred_at}>{times.time(e.occurred_at)}</time>
                {e.outcome.status !== 'success' && <Outcome status={e.outcome.status} />}
              </span>
            </Link>
          </li>
        ))}
      </ul>
    </section>
  );
}
