import { Button, Chip, Select, TextInput } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import { getRouteApi } from '@tanstack/react-router';
import { Suspense, lazy, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { EventCards } from '../../table/EventCards';
import { MemoEventTable } from '../../table/EventTable';
import { words } from '../../ui/format';
import { IconExport } from '../../ui/icons';
import { Empty } from '../../ui/states';
import { useShortcuts } from '../../ui/useShortcuts';
import { useMay } from '../auth/session';
import { EventDrawer } from '../events/EventDrawer';
import { FilterChips } from '../events/FilterChips';
import { ListFooter, ListSummary, NewEventsPill, listState } from '../events/ListParts';
import { PersonPicker } from '../events/PersonPicker';
import { TimeRange } from '../events/TimeRange';
import type { EventFilter, FilterChange } from '../events/filter';
import { useEventList } from '../events/useEventList';
import { useOpenEvent } from '../events/useOpenEvent';
import { outcomes } from '../events/words';
import list from '../events/AuditLog.module.css';
import { kindFilter, kinds } from './kinds';
import type { SecuritySearch } from './kinds';
import classes from './Security.module.css';

const ExportDialog = lazy(() => import('../exports/ExportDialog'));
const route = getRouteApi('/_app/security');

/** What the address says, and the search that follows from it. */
function useFilter() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { kind, event, ...own } = search;
  const key = JSON.stringify([kind, own]);
  const filter = useMemo((): EventFilter => {
    const [k, rest] = JSON.parse(key) as [SecuritySearch['kind'] | null, EventFilter];
    const preset = kindFilter(k ?? undefined);
    return { ...rest, ...preset, ...(preset.outcome && rest.outcome ? { outcome: preset.outcome.filter((o) => rest.outcome?.includes(o)) } : {}) };
  }, [key]);
  const change = useCallback((next: FilterChange & { kind?: SecuritySearch['kind'] | undefined }) => void navigate({ search: (old: SecuritySearch) => dropped({ ...old, ...next, event: undefined }) }), [navigate]);
  return { kind, own: own as EventFilter, filter, key, opened: event ? Number(event) : null, change };
}

/** Without what is not set. */
const dropped = (o: Record<string, unknown>) => Object.fromEntries(Object.entries(o).filter(([, v]) => v !== undefined)) as SecuritySearch;

/** Sign-ins, deletions, exports and what else matters to security, in the order in which it happened: the same search as the audit log's, with presets. */
export function SecurityLogPage() {
  const may = useMay('ledger.search');
  useEffect(() => {
    document.title = 'Security log · Probity';
  }, []);
  if (!may) return <Empty title="The security log is not yours to read">Your role may not read events.</Empty>;
  return <SecurityLog />;
}

function SecurityLog() {
  const { kind, own, filter, key, opened, change } = useFilter();
  const narrow = useMediaQuery('(max-width: 48em)', undefined, { getInitialValueInEffect: false }) ?? false;
  const scroller = useRef<HTMLDivElement>(null);
  const grid = useRef<HTMLDivElement>(null);
  const [exporting, setExporting] = useState(false);
  const mayExport = useMay('exports.create');
  const atTop = useCallback(() => (narrow ? window.scrollY : (scroller.current?.scrollTop ?? 0)) < 40, [narrow]);
  const found = useEventList(filter, atTop);
  const at = useOpenEvent(opened, found.rows, useCallback(() => grid.current?.focus({ preventScroll: true }), []));
  const { active, step } = at;
  useShortcuts({
    j: () => step(1),
    k: () => step(-1),
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    Enter: () => active >= 0 && at.openAt(active),
    Escape: () => opened !== null && at.close(),
    r: found.refresh,
  });
  useEffect(() => {
    void scroller.current?.scrollTo({ top: 0 });
  }, [key]);
  const state = listState(found, own, change);
  return (
    <div className={list.page}>
      <div className={list.head}>
        <div className={list.titleRow}>
          <h1 className={list.title}>Security log</h1>
          <div className={list.tools}>
            <Button size="xs" variant="default" onClick={found.refresh}>
              Refresh
            </Button>
            {mayExport && (
              <Button size="xs" leftSection={<IconExport size={15} />} onClick={() => setExporting(true)}>
                Export
              </Button>
            )}
          </div>
        </div>
        <Chip.Group value={kind ?? 'all'} onChange={(v) => change({ kind: v === 'all' ? undefined : (v as SecuritySearch['kind']) })}>
          <div className={classes.kinds} role="group" aria-label="Kind of event">
            {kinds.map((k) => (
              <Chip key={k.key} value={k.key} size="xs">
                {k.label}
              </Chip>
            ))}
          </div>
        </Chip.Group>
        <Filters own={own} onChange={change} />
        <FilterChips filter={own} onChange={change} />
        <ListSummary list={found} />
      </div>
      <div className={list.body}>
        <NewEventsPill list={found} onTake={() => (narrow ? window : scroller.current)?.scrollTo({ top: 0 })} />
        {state}
        {!state && narrow && (
          <>
            <EventCards rows={found.rows} onOpen={at.openAt} onNearEnd={found.more} />
            <ListFooter list={found} />
          </>
        )}
        {!state && !narrow && (
          <MemoEventTable
            rows={found.rows} active={at.active} opened={opened} busy={found.events.isPlaceholderData} scroller={scroller} grid={grid} onActivate={at.activate} onOpen={at.openAt} onNearEnd={found.more}
            footer={<ListFooter list={found} />}
          />
        )}
        {opened !== null && <EventDrawer seq={String(opened)} known={found.rows.find((r) => r.seq === opened)} narrow={narrow} onClose={at.close} />}
      </div>
      <Suspense fallback={null}>{exporting && <ExportDialog filter={filter} range={found.range} total={found.stats.data?.partial ? undefined : found.stats.data?.total} onClose={() => setExporting(false)} />}</Suspense>
    </div>
  );
}

/** Who, from where, how it ended, and when. */
function Filters({ own, onChange }: { own: EventFilter; onChange: (change: FilterChange) => void }) {
  const [address, setAddress] = useState('');
  const add = (): void => {
    const ip = address.trim();
    if (ip) onChange({ ip: [...new Set([...(own.ip ?? []), ip])] });
    setAddress('');
  };
  return (
    <div className={classes.filters}>
      <TimeRange filter={own} onChange={onChange} />
      <div className={classes.field}>
        <PersonPicker label="Person" onPick={(p) => onChange({ actor: [...new Set([...(own.actor ?? []), p])] })} />
      </div>
      <Select
        className={classes.field ?? ''} label="Outcome" placeholder="Any" clearable value={own.outcome?.[0] ?? null} data={outcomes.map((o) => ({ value: o, label: words(o) }))}
        onChange={(v) => onChange({ outcome: v ? [v] : undefined })}
      />
      <TextInput
        className={classes.field ?? ''} label="Address" placeholder="198.51.100.7" value={address} onChange={(e) => setAddress(e.currentTarget.value)} onBlur={add}
        onKeyDown={(e) => {
          if (e.key === 'Enter') add();
        }}
      />
    </div>
  );
}
