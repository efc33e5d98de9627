import { Button, Group, Modal, Radio, Stack, Text, TextInput } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { Failure } from '../../ui/states';
import { formatNumber, useTimes, words } from '../../ui/format';
import { listKeys, toQuery } from '../events/filter';
import type { EventFilter, Range } from '../events/filter';
import { describePerson } from '../events/persons';
import { exportsQuery, formats, startExport } from './api';
import type { Format } from './api';
import classes from './Exports.module.css';

interface Props {
  filter: EventFilter;
  range: Range;
  /** How many events the filter has, when it is known. */
  total: number | undefined;
  onClose: () => void;
}

/** Asks how the events in view are to be handed over, and starts it. */
export default function ExportDialog({ filter, range, total, onClose }: Props) {
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [format, setFormat] = useState<Format>('csv');
  const [proof, setProof] = useState<'range' | 'inclusion'>('range');
  const [title, setTitle] = useState('');
  const start = useMutation({
    mutationFn: () => startExport({ format, filter: body(filter, range), ...(title.trim() ? { title: title.trim() } : {}), ...(format === 'bundle' ? { proof } : {}) }),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: exportsQuery.queryKey });
      notifications.show({ message: 'The export has been started.' });
      onClose();
      await navigate({ to: '/exports' });
    },
  });
  return (
    <Modal opened onClose={onClose} title="Export events" size="lg">
      <Stack>
        <Summary filter={filter} range={range} total={total} />
        <Radio.Group label="Format" value={format} onChange={(v) => setFormat(v as Format)}>
          <div className={classes.formats}>
            {formats.map((f) => (
              <label key={f.key} className={classes.format} data-checked={format === f.key || undefined}>
                <Radio value={f.key} aria-describedby={`about-${f.key}`} aria-label={f.label} />
                <span>
                  <strong>{f.label}</strong>
                  <span className={classes.about} id={`about-${f.key}`}>
                    {f.about}
                  </span>
                </span>
              </label>
            ))}
          </div>
        </Radio.Group>
        {format === 'bundle' && (
          <Radio.Group label="What the bundle proves" value={proof} onChange={(v) => setProof(v as 'range' | 'inclusion')}>
            <Stack gap={8} mt={6}>
              <Radio value="range" label="The whole range" description="Each event, and that none of the range was left out" />
              <Radio value="inclusion" label="Each event on its own" description="Smaller for a few events out of many; says nothing about what is left out" />
            </Stack>
          </Radio.Group>
        )}
        <TextInput label="Title (optional)" description="Stands on the report and in the list of exports" value={title} maxLength={200} onChange={(e) => setTitle(e.currentTarget.value)} />
        <Text size="xs" c="dimmed">
          Values that your role sees masked are masked in the export too. The export is itself recorded in the log.
        </Text>
        {start.error && <Failure error={start.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button onClick={() => start.mutate()} loading={start.isPending}>
            Start export
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

/** The filter as the export takes it: the query's own names, without what is empty. */
function body(filter: EventFilter, range: Range): Record<string, unknown> {
  return Object.fromEntries(Object.entries(toQuery(filter, range)).filter(([, v]) => v !== undefined));
}

function Summary({ filter, range, total }: Pick<Props, 'filter' | 'range' | 'total'>) {
  const times = useTimes();
  const parts = listKeys.flatMap((k) => (filter[k]?.length ? [`${words(k)}: ${filter[k].map(k === 'actor' || k === 'subject' ? describePerson : String).join(', ')}`] : []));
  if (filter.text) parts.push(`Text: ${filter.text}`);
  if (filter.correlation_id) parts.push(`Correlation: ${filter.correlation_id}`);
  return (
    <div className={classes.summary}>
      <Text size="sm" fw={600}>
        {total === undefined ? 'The events in view' : `${formatNumber(total)} ${total === 1 ? 'event' : 'events'}`}
      </Text>
      <Text size="sm" c="dimmed">
        {range.from === null ? 'From the beginning' : `From ${times.time(range.from)}`} {range.to === null ? 'until now' : `to ${times.time(range.to)}`} ({times.zone})
      </Text>
      {parts.map((p) => (
        <Text key={p} size="sm" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
          {p}
        </Text>
      ))}
    </div>
  );
}
