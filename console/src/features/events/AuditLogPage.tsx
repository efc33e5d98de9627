import { useMediaQuery } from '@mantine/hooks';
import { getRouteApi } from '@tanstack/react-router';
import { Suspense, lazy, useCallback, useEffect, useMemo, useRef, useState } from 'react';
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
import classes from './AuditLog.module.css';

const ShortcutHelp = lazy(() => import('./ShortcutHelp'));
const ExportDialog = lazy(() => import('../exports/ExportDialog'));
const route = getRouteApi('/_app/events');

export function AuditLogPage() {
  // Routes pass on what their validation leaves out; what is not understood must not be half obeyed.
  const search = parseEventSearch(route.useSearch() as Record<string, unknown>);
  const navigate = route.useNavigate();
  const { live, set, histogram } = usePreferences();
  const narrow = useMediaQuery('(max-width: 48em)', undefined, { getInitialValueInEffect: false }) ?? false;
  const scroller = useRef<HTMLDivElement>(null);
  const grid = useRef<HTMLDivElement>(null);
  const searchBox = useRef<HTMLInputElement>(null);
  const [help, setHelp] = useState(false);
  const [exporting, setExporting] = useState(false);

  const filterKey = JSON.stringify(filterOf(search));
  const filter = useMemo(() => JSON.parse(filterKey) as EventFilter, [filterKey]);
  const atTop = useCallback(() => (narrow ? window.scrollY : (scroller.current?.scrollTop ?? 0)) < 40, [narrow]);
  const list = useEventList(filter, atTop);
  const { rows, more } = list;
  // Another filter is another list: it begins at its top.
  useEffect(() => {
    scroller.current?.scrollTo({ top: 0 });
  }, [filterKey]);

  const change = useCallback(
    (next: FilterChange) => void navigate({ search: (old) => ({ ...old, ...next, event: undefined }), replace: false }),
    [navigate],
  );
  const apply = useCallback((next: EventFilter) => void navigate({ search: next }), [navigate]);
  const opened = search.event ? Number(search.event) : null;
  const [activeSeq, setActiveSeq] = useState<number | null>(opened);
  const active = useMemo(() => (activeSeq === null ? -1 : rows.findIndex((r) => r.seq === activeSeq)), [rows, activeSeq]);
  const open = useCallback(
    (seq: number | null) => void navigate({ search: (old) => ({ ...old, event: seq === null ? undefined : String(seq) }), replace: true, resetScroll: false }),
    [navigate],
  );
  const activate = useCallback((index: number) => setActiveSeq(rows[index]?.seq ?? null), [rows]);
  const openAt = useCallback((index: number) => open(rows[index]?.seq ?? null), [rows, open]);
  const close = useCallback(() => {
    open(null);
    grid.current?.focus({ preventScroll: true });
  }, [open]);
  const step = (by: number): void => {
    const next = Math.min(rows.length - 1, Math.max(0, active + by));
    const seq = rows[next]?.seq;
    if (seq === undefined) return;
    setActiveSeq(seq);
    if (opened !== null) open(seq);
  };

  useShortcuts({
    j: () => step(1),
    k: () => step(-1),
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    g: () => step(-rows.length),
    Enter: () => active >= 0 && openAt(active),
    Escape: () => opened !== null && close(),
    '/': () => searchBox.current?.focus(),
    r: list.refresh,
    l: () => set({ live: !live }),
    '?': () => setHelp(true),
  });
  useEffect(() => {
    document.title = 'Audit log · Probity';
  }, []);

  const state = listState(list, filter, change);
  const footer = <ListFooter list={list} />;
  return (
    <div className={classes.page}>
      <div className={classes.head}>
        <Toolbar
          filter={filter} list={list} searchBox={searchBox} onChange={change} onApply={apply} onExport={() => setExporting(true)} onHelp={() => setHelp(true)}
        />
        <FilterChips filter={filter} onChange={change} />
        {histogram && list.countable && list.stats.data && (
          <Histogram
            stats={list.stats.data} range={list.range} now={list.now} busy={list.stats.isPlaceholderData}
            onZoom={(from, to) => change({ range: undefined, from: new Date(from).toISOString(), to: new Date(to).toISOString() })}
          />
        )}
        {histogram && list.countable && !list.stats.data && <div className={classes.chartSpace} />}
        <ListSummary list={list} />
      </div>
      <div className={classes.body}>
        <NewEventsPill
          list={list}
          onTake={() => {
            if (narrow) window.scrollTo({ top: 0 });
            else scroller.current?.scrollTo({ top: 0 });
          }}
        />
        {state ??
          (narrow ? (
            <>
              <EventCards rows={rows} onOpen={openAt} onNearEnd={more} />
              {footer}
            </>
          ) : (
            <MemoEventTable
              rows={rows} active={active} opened={opened} busy={list.events.isPlaceholderData} scroller={scroller} grid={grid} onActivate={activate} onOpen={openAt}
              onNearEnd={more} footer={footer}
            />
          ))}
        {opened !== null && <EventDrawer seq={String(opened)} known={rows.find((r) => r.seq === opened)} narrow={narrow} onClose={close} />}
      </div>
      <Suspense fallback={null}>
        {help && <ShortcutHelp onClose={() => setHelp(false)} />}
        {exporting && <ExportDialog filter={filter} range={list.range} total={list.countable ? list.stats.data?.total : undefined} onClose={() => setExporting(false)} />}
      </Suspense>
    </div>
  );
}
