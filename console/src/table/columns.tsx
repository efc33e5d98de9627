import { createColumnHelper, columnVisibilityFeature, tableFeatures } from '@tanstack/react-table';
import type { EventView } from '../api/schemas';
import { formatClock, formatDay, formatTime } from '../ui/format';
import { personLabel } from '../features/events/persons';
import { FieldText, Outcome, Severity } from './cells';

/** The audit log's columns. Their widths are CSS grid tracks. */
export const features = tableFeatures({ columnVisibilityFeature });
const helper = createColumnHelper<typeof features, EventView>();

export interface ColumnInfo {
  id: string;
  label: string;
  track: string;
}

export const columnInfo: ColumnInfo[] = [
  { id: 'seq', label: 'Seq', track: '6.2rem' },
  { id: 'occurred_at', label: 'Occurred', track: '11.2rem' },
  { id: 'recorded_at', label: 'Recorded', track: '11.2rem' },
  { id: 'sentence', label: 'Event', track: 'minmax(14rem, 3fr)' },
  { id: 'actor', label: 'Actor', track: 'minmax(8rem, 1fr)' },
  { id: 'action', label: 'Action', track: 'minmax(9rem, 1fr)' },
  { id: 'resource', label: 'Resource', track: 'minmax(9rem, 1fr)' },
  { id: 'subject', label: 'Data subject', track: 'minmax(8rem, 1fr)' },
  { id: 'outcome', label: 'Outcome', track: '6.4rem' },
  { id: 'severity', label: 'Severity', track: '5.6rem' },
  { id: 'category', label: 'Category', track: '6.5rem' },
  { id: 'source', label: 'Source', track: 'minmax(7rem, 0.7fr)' },
  { id: 'ip', label: 'IP address', track: '9rem' },
  { id: 'correlation_id', label: 'Correlation', track: 'minmax(8rem, 0.8fr)' },
  { id: 'reason', label: 'Reason', track: 'minmax(8rem, 1fr)' },
];

export const defaultColumns = ['occurred_at', 'sentence', 'actor', 'action', 'resource', 'outcome'];

/** Builds the columns; times are written in the reader's zone. */
export function makeColumns(zone: string) {
  return helper.columns([
    helper.accessor('seq', { id: 'seq', header: 'Seq', cell: (c) => <span className="mono">{c.getValue()}</span> }),
    helper.accessor('occurred_at', { id: 'occurred_at', header: 'Occurred', cell: (c) => <Moment at={c.getValue()} zone={zone} /> }),
    helper.accessor('recorded_at', { id: 'recorded_at', header: 'Recorded', cell: (c) => <Moment at={c.getValue()} zone={zone} /> }),
    helper.accessor('sentence', { id: 'sentence', header: 'Event', cell: (c) => c.getValue() || c.row.original.action }),
    helper.display({
      id: 'actor', header: 'Actor',
      cell: (c) => {
        const { actor } = c.row.original;
        return <FieldText view={c.row.original} paths={['/actor/name', '/actor/email', '/actor/id']} text={personLabel(actor) === 'Unknown' ? actor.type : personLabel(actor)} />;
      },
    }),
    helper.accessor('action', { id: 'action', header: 'Action', cell: (c) => <span className="mono">{c.getValue()}</span> }),
    helper.display({
      id: 'resource', header: 'Resource',
      cell: (c) => {
        const { resource } = c.row.original;
        return resource.type ? (
          <>
            <span>{resource.type}</span> <FieldText view={c.row.original} paths={['/resource/name', '/resource/id']} text={resource.name || resource.id} dim />
          </>
        ) : null;
      },
    }),
    helper.display({
      id: 'subject', header: 'Data subject',
      cell: (c) => {
        const { subject } = c.row.original;
        return subject ? <FieldText view={c.row.original} paths={['/subject/name', '/subject/id']} text={personLabel(subject)} /> : null;
      },
    }),
    helper.display({ id: 'outcome', header: 'Outcome', cell: (c) => <Outcome status={c.row.original.outcome.status} /> }),
    helper.accessor('severity', { id: 'severity', header: 'Severity', cell: (c) => <Severity level={c.getValue()} /> }),
    helper.accessor('category', { id: 'category', header: 'Category' }),
    helper.accessor('source', { id: 'source', header: 'Source', cell: (c) => <span className="mono">{c.getValue()}</span> }),
    helper.display({
      id: 'ip', header: 'IP address',
      cell: (c) => <FieldText view={c.row.original} paths={['/context/ip']} text={String(c.row.original.context['ip'] ?? '')} mono />,
    }),
    helper.accessor('correlation_id', { id: 'correlation_id', header: 'Correlation', cell: (c) => <span className="mono">{c.getValue()}</span> }),
    helper.accessor('reason', { id: 'reason', header: 'Reason', cell: (c) => <FieldText view={c.row.original} paths={['/reason']} text={c.getValue()} /> }),
  ]);
}

function Moment({ at, zone }: { at: string; zone: string }) {
  return (
    <time dateTime={at} title={formatTime(at, zone)}>
      {formatDay(at, zone)} <span style={{ fontWeight: 550 }}>{formatClock(at, zone)}</span>
    </time>
  );
}
