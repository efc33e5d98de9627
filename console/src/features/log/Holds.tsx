import { Alert, Badge, Button, Group, NumberInput, Radio, Stack, Text, Textarea } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { ApiError } from '../../api/client';
import type { Hold } from '../../api/schemas';
import { FormDialog } from '../../ui/dialogs';
import { formatNumber, plural, useTimes } from '../../ui/format';
import { IconWarn } from '../../ui/icons';
import { RowAction } from '../../ui/rows';
import rows from '../../ui/rows.module.css';
import { Empty, Failure, Loading } from '../../ui/states';
import { useAct } from '../../ui/useAct';
import { holdsQuery, placeHold, releaseHold } from './api';
import classes from './Log.module.css';

/** The legal holds on the tenant's evidence, and how to place and release them. */
export function Holds() {
  const { data, error, isPending, refetch } = useQuery(holdsQuery);
  const [placing, setPlacing] = useState(false);
  const [releasing, setReleasing] = useState<Hold | null>(null);
  const [all, setAll] = useState(false);
  const active = data?.items.filter((h) => h.state === 'active') ?? [];
  const released = data?.items.filter((h) => h.state !== 'active') ?? [];
  const shown = all || active.length === 0 ? [...active, ...released] : active;
  return (
    <section className={`panel ${classes.card}`} aria-labelledby="holds">
      <Group justify="space-between" align="flex-start">
        <div className={classes.what}>
          <h2 className={classes.heading} id="holds">
            Legal holds
          </h2>
          <Text size="sm" c="dimmed">
            While a hold is on, the object store deletes none of the sealed evidence in its range, whatever the retention and whoever asks. It covers no working copies, which hold the values, and nothing
            that is not sealed yet.
          </Text>
        </div>
        {data?.possible && (
          <Button size="xs" onClick={() => setPlacing(true)}>
            Place a hold
          </Button>
        )}
      </Group>
      {error && !data && <Failure error={error} onRetry={() => void refetch()} />}
      {isPending && !error && <Loading />}
      {data && !data.possible && (
        <Empty title="Holds need an object store">
          The sealed files of this server lie in a folder, which cannot keep anybody from deleting them. Holds can be placed where the setting “storage” names a bucket with Object Lock.
        </Empty>
      )}
      {data?.possible && data.items.length === 0 && <Empty title="No holds">Place one when evidence must be kept for a matter, such as an investigation or a lawsuit.</Empty>}
      {shown.length > 0 && (
        <ul className={rows.rows} aria-label="Legal holds">
          {shown.map((h) => (
            <HoldRow key={h.id} item={h} onRelease={() => setReleasing(h)} />
          ))}
        </ul>
      )}
      {active.length > 0 && released.length > 0 && (
        <Group>
          <Button size="xs" variant="default" onClick={() => setAll(!all)} aria-expanded={all}>
            {all ? 'Hide released ones' : `Show ${plural(released.length, 'released one')}`}
          </Button>
        </Group>
      )}
      {placing && <PlaceDialog onClose={() => setPlacing(false)} />}
      {releasing && <ReleaseDialog item={releasing} onClose={() => setReleasing(null)} />}
    </section>
  );
}

/** What a hold covers, in words. */
function rangeWords(h: Pick<Hold, 'first_seq' | 'end_seq'>): string {
  if (h.end_seq > 0) return h.end_seq === h.first_seq + 1 ? `Event ${formatNumber(h.first_seq)}` : `Events ${formatNumber(h.first_seq)} to ${formatNumber(h.end_seq - 1)}`;
  return h.first_seq === 0 ? 'The whole log, and what is recorded later' : `Events from ${formatNumber(h.first_seq)} on, and what is recorded later`;
}

function HoldState({ item }: { item: Hold }) {
  if (item.state !== 'active') return <Badge color={item.pending ? 'amber' : 'gray'}>{item.pending ? 'release pending' : 'released'}</Badge>;
  return <Badge color={item.pending ? 'amber' : 'pine'}>{item.pending ? 'pending' : 'active'}</Badge>;
}

function HoldRow({ item, onRelease }: { item: Hold; onRelease: () => void }) {
  const times = useTimes();
  return (
    <li className={classes.row}>
      <div className={classes.what}>
        <Group gap="xs">
          <span className={rows.name}>{item.reason}</span>
          <HoldState item={item} />
        </Group>
        <div className={classes.detail}>
          {rangeWords(item)} · {plural(item.objects, 'object')}
        </div>
        <div className={rows.note}>
          Placed by {item.placed_by} on {times.time(item.placed_at)}
        </div>
        {item.released_at && (
          <div className={rows.note}>
            Released by {item.released_by} on {times.time(item.released_at)}: {item.release_reason}
          </div>
        )}
        {item.pending && <div className={classes.detail}>The object store does not reflect this yet. The server goes on trying.</div>}
      </div>
      {item.state === 'active' && <RowAction label="Release" name={item.reason} onClick={onRelease} />}
    </li>
  );
}

const needed = (v: string) => (v.trim() ? null : 'Say why; it is recorded in the log');

function PlaceDialog({ onClose }: { onClose: () => void }) {
  const place = useAct(placeHold, holdsQuery.queryKey, onClose);
  const form = useForm({
    initialValues: { what: 'all', first: 0 as number | string, last: '' as number | string, reason: '' },
    validate: {
      reason: needed,
      first: (v, all) => (all.what === 'all' || v !== '' ? null : 'Enter the number of an event'),
      last: (v, all) => (all.what === 'all' || v === '' || Number(v) >= Number(all.first) ? null : 'This is before the first event'),
    },
  });
  const submit = form.onSubmit((v) =>
    place.mutate({ reason: v.reason.trim(), first_seq: v.what === 'all' ? 0 : Number(v.first), end_seq: v.what === 'all' || v.last === '' ? 0 : Number(v.last) + 1 }),
  );
  const cannot = place.error instanceof ApiError && place.error.status === 415;
  return (
    <FormDialog
      title="Place a legal hold" submit="Place the hold" pending={place.isPending} error={place.error} onSubmit={submit} onClose={onClose}
      failure={
        cannot ? (
          <Alert color="amber" icon={<IconWarn />} title="The object store cannot hold evidence" role="alert">
            {place.error?.message}
          </Alert>
        ) : undefined
      }
    >
      <Text size="sm">
        The object store itself keeps the files: until the hold is released, nobody can delete them, its administrators included. Evidence that is sealed later is held as it comes. The hold, its reason and
        your name are recorded in the log.
      </Text>
      <Radio.Group label="What to hold" {...form.getInputProps('what')}>
        <Stack gap={9} mt={6}>
          <Radio value="all" label="The whole log, and what is recorded later" />
          <Radio value="range" label="Part of the log" description="Files are held whole, so events around the part are held with it" />
        </Stack>
      </Radio.Group>
      {form.values.what === 'range' && (
        <Group grow align="flex-start">
          <NumberInput label="First event" min={0} allowDecimal={false} {...form.getInputProps('first')} />
          <NumberInput label="Last event" description="Empty for no end" min={0} allowDecimal={false} inputWrapperOrder={['label', 'input', 'description', 'error']} {...form.getInputProps('last')} />
        </Group>
      )}
      <Textarea label="Reason" description="Such as the name of the matter" rows={3} maxLength={1000} required {...form.getInputProps('reason')} />
    </FormDialog>
  );
}

function ReleaseDialog({ item, onClose }: { item: Hold; onClose: () => void }) {
  const release = useAct((reason: string) => releaseHold(item.id, reason), holdsQuery.queryKey, onClose);
  const form = useForm({ initialValues: { reason: '' }, validate: { reason: needed } });
  return (
    <FormDialog
      title="Release this hold?" submit="Release the hold" cancel="Keep it" grave pending={release.isPending} error={release.error} onSubmit={form.onSubmit((v) => release.mutate(v.reason.trim()))}
      onClose={onClose}
    >
      <Text size="sm">
        “{item.reason}”: {rangeWords(item).toLowerCase()}, {plural(item.objects, 'object')}. Released evidence can be deleted, unless another hold covers it or a retention still locks it. The release cannot
        be undone; a new hold can be placed.
      </Text>
      <Textarea label="Reason" description="It is recorded in the log, with your name" rows={3} maxLength={1000} required data-autofocus {...form.getInputProps('reason')} />
    </FormDialog>
  );
}
