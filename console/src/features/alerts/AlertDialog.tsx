import { Badge, Button, Group, Modal, Stack, Text, Textarea } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { RaisedAlert } from '../../api/schemas';
import { plural, useTimes } from '../../ui/format';
import { Failure, Loading } from '../../ui/states';
import { TextLink } from '../../ui/TextLink';
import { useMay } from '../auth/session';
import { StateBadge } from './History';
import { acknowledge, alertQuery, severityColour } from './api';

/** One alert: what raised it, the events, and the word of whoever has seen to it. */
export function AlertDialog({ id, onClose }: { id: string; onClose: () => void }) {
  const { data, error, isPending, refetch } = useQuery(alertQuery(id));
  return (
    <Modal opened onClose={onClose} title={data?.rule ?? 'Alert'} size="lg">
      {error && <Failure error={error} onRetry={() => void refetch()} />}
      {isPending && !error && <Loading />}
      {data && <Detail item={data} />}
    </Modal>
  );
}

function Detail({ item }: { item: RaisedAlert }) {
  const times = useTimes();
  const may = useMay('notify.manage');
  const search = useMay('ledger.search');
  return (
    <Stack>
      <Group gap="xs">
        <Badge color={severityColour(item.severity)}>{item.severity}</Badge>
        <StateBadge item={item} />
        {!item.notified && <Badge color="gray">nobody was told: the rule was muted</Badge>}
      </Group>
      <Text size="sm">
        {item.group && <strong>{item.group}: </strong>}
        {plural(item.events, 'event')} {item.last_at === item.fired_at ? `on ${times.time(item.fired_at)}` : `from ${times.time(item.fired_at)} to ${times.time(item.last_at)}`}.{item.resolved_at && ` It ended on ${times.time(item.resolved_at)}: ${item.resolved_because}.`}
      </Text>
      {search && (
        <Text size="sm">
          <TextLink to="/resources/$type/$id" params={{ type: 'alert', id: item.id }}>
            What the log says of this alert
          </TextLink>
        </Text>
      )}
      {search && (
        <div>
          <Text size="sm" fw={600}>
            Events that raised it
          </Text>
          <Group gap="sm">
            {item.samples.map((seq) => (
              <TextLink key={seq} to="/events/$seq" params={{ seq: String(seq) }} size="sm">
                {seq}
              </TextLink>
            ))}
          </Group>
          {item.group_by === 'actor' && item.handle && (
            <Text size="sm" mt={6}>
              <TextLink to="/events" search={{ actor: [`handle:${item.handle}`], range: '24h' }}>
                Everything that this actor did in the last 24 hours
              </TextLink>
            </Text>
          )}
        </div>
      )}
      {item.acknowledged_at && (
        <Text size="sm">
          Acknowledged by {item.acknowledged_by} at {times.time(item.acknowledged_at)}
          {item.note ? `: ${item.note}` : '.'}
        </Text>
      )}
      {!item.acknowledged_at && may && <Acknowledge item={item} />}
    </Stack>
  );
}

function Acknowledge({ item }: { item: RaisedAlert }) {
  const queries = useQueryClient();
  const [note, setNote] = useState('');
  const save = useMutation({ mutationFn: () => acknowledge(item.id, note.trim()), onSuccess: () => queries.invalidateQueries({ queryKey: ['alerts'] }) });
  return (
    <form
      onSubmit={(e) => {
        e.preventDefault();
        save.mutate();
      }}
    >
      <Stack gap="sm">
        <Textarea label="Note" description="What was found or done. It is recorded in the log." maxLength={2000} rows={3} value={note} onChange={(e) => setNote(e.currentTarget.value)} />
        {save.error && <Failure error={save.error} />}
        <Group justify="flex-end">
          <Button type="submit" loading={save.isPending}>
            Acknowledge
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
