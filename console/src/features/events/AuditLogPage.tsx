import { useMediaQuery } from '@mantine/hooks';
import { getRouteApi } from '@tanstack/react-router';
import { Suspense, lazy, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import type { RefObject } from 'react';
import { EventCards } from '../../table/EventCards';
import { MemoEventTable } from '../../table/EventTable';
import { useShortcuts } from '../../ui/useShortcuts';
import { usePreferences } from '../../ui/preferences';
import { EventDrawer } from './EventDrawer';
import { FilterChips } from './FilterChips';
import { Histogram } from './Histogram';
import { ListFooter, ListSummary, NewEventsPill, listState } from './ListParts';
import { Toolbar } from './Toolbar';
import { filterOf, parseEventSearch } from './filter';
import type { EventFilter, FilterChange } from './filter';
import { useEventList } from './useEventList';
import type { EventList } from './useEventList';
import { useOpenEvent } from './useOpenEvent';
import classes from './AuditLog.module.css';

const ShortcutHelp = lazy(() => import('./ShortcutHelp'));
const ExportDialog = lazy(() => import('../exports/ExportDialog'));
const route = getRouteApi('/_app/events');

/** The filter that the address holds, the same object for as long as it says the same. */
function useFilter() {
  // Routes pass on what their validation leaves out; what is not understood must not be half obeyed.
  const search = parseEventSearch(route.useSearch() as Record<string, unknown>);
  const navigate = route.useNavigate();
  const key = JSON.stringify(filterOf(search));
  const filter = useMemo(() => JSON.parse(key) as EventFilter, [key]);
  const change = useCallback((next: FilterChange) => void navigate({ search: (old) => ({ ...old, ...next, event: undefined }) }), [navigate]);
  const apply = useCallback((next: EventFilter) => void navigate({ search: next }), [navigate]);
  return { filter, key, opened: search.event ? Number(search.event) : null, change, apply };
}

export function AuditLogPage() {
  const { filter, key, opened, change, apply } = useFilter();
  const { live, set } = usePreferences();
  const narrow = useMediaQuery('(max-width: 48em)', undefined, { getInitialValueInEffect: false }) ?? false;
  const scroller = useRef<HTMLDivElement>(null);
  const grid = useRef<HTMLDivElement>(null);
  const searchBox = useRef<HTMLInputElement>(null);
  const [dialog, setDialog] = useState<'help' | 'export' | null>(null);
  const atTop = useCallback(() => (narrow ? window.scrollY : (scroller.current?.scrollTop ?? 0)) < 40, [narrow]);
  const list = useEventList(filter, atTop);
  const at = useOpenEvent(opened, list.rows, useCallback(() => grid.current?.focus({ preventScroll: true }), []));
  const { active, step } = at;

  useShortcuts({
    j: () => step(1),
    k: () => step(-1),
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    g: () => step(-list.rows.length),
    Enter: () => active >= 0 && at.openAt(active),
    Escape: () => opened !== null && at.close(),
    '/': () => searchBox.current?.focus(),
    r: list.refresh,
    l: () => set({ live: !live }),
    '?': () => setDialog('help'),
  });
  useEffect(() => {
    document.title = 'Audit log · Probity';
  }, []);
  // Another filter is another list: it begins at its top.
  useEffect(() => {
    void scroller.current?.scrollTo({ top: 0 });
  }, [key]);

  return (
    <div className={classes.page}>
      <Head filter={filter} list={list} searchBox={searchBox} onChange={change} onApply={apply} onDialog={setDialog} />
      <div className={classes.body}>
        <NewEventsPill list={list} onTake={() => (narrow ? window : scroller.current)?.scrollTo({ top: 0 })} />
        <Events list={list} filter={filter} narrow={narrow} opened={opened} at={at} scroller={scroller} grid={grid} onChange={change} />
        {opened !== null && <EventDrawer seq={String(opened)} known={list.rows.find((r) => r.seq === opened)} narrow={narrow} onClose={at.close} />}
      </div>
      <Suspense fallback={null}>
        {dialog === 'help' && <ShortcutHelp onClose={() => setDialog(null)} />}
        {dialog === 'export' && <ExportDialog filter={filter} range={list.range} total={list.stats.data?.partial ? undefined : list.stats.data?.total} onClose={() => setDialog(null)} />}
      </Suspense>
    </div>
  );
}

interface HeadProps {
  filter: EventFilter;
  list: EventList;
  searchBox: RefObject<HTMLInputElement | null>;
  onChange: (change: FilterChange) => void;
  onApply: (filter: EventFilter) => void;
  onDialog: (dialog: 'help' | 'export') => void;
}

/** What stands above the list: how it is filtered, and how much there is over time. */
function Head({ filter, list, searchBox, onChange, onApply, onDialog }: HeadProps) {
  const { histogram } = usePreferences();
  const { data, isPlaceholderData } = list.stats;
  const zoom = (from: number, to: number): void => onChange({ range: undefined, from: new Date(from).toISOString(), to: new Date(to).toISOString() });
  return (
    <div className={classes.head}>
      <Toolbar filter={filter} list={list} searchBox={searchBox} onChange={onChange} onApply={onApply} onExport={() => onDialog('export')} onHelp={() => onDialog('help')} />
      <FilterChips filter={filter} onChange={onChange} />
      {histogram && (data ? <Histogram stats={data} range={list.range} now={list.now} busy={isPlaceholderData} onZoom={zoom} /> : <div className={classes.chartSpace} />)}
      <ListSummary list={list} />
    </div>
  );
}

interface EventsProps {
  list: EventList;
  filter: EventFilter;
  narrow: boolean;
  opened: number | null;
  at: ReturnType<typeof useOpenEvent>;
  scroller: RefObject<HTMLDivElement | null>;
  grid: RefObject<HTMLDivElement | null>;
  onChange: (change: FilterChange) => void;
}

/** The list itself, as a table or as cards, or what stands in its place. */
function Events({ list, filter, narrow, opened, at, scroller, grid, onChange }: EventsProps) {
  const state = listState(list, filter, onChange);
  if (state) return state;
  const footer = <ListFooter list={list} />;
  if (narrow) {
    return (
      <>
        <EventCards rows={list.rows} onOpen={at.openAt} onNearEnd={list.more} />
        {footer}
      </>
    );
  }
  return (
    <MemoEventTable
      rows={list.rows} active={at.active} opened={opened} busy={list.events.isPlaceholderData} scroller={scroller} grid={grid} onActivate={at.activate} onOpen={at.openAt}
      onNearEnd={list.more} footer={footer}
    />
  );
}
