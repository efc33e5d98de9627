import { useTable } from '@tanstack/react-table';
import type { ReactTable } from '@tanstack/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import { memo, useEffect, useMemo, useRef } from 'react';
import type { ReactNode, RefObject } from 'react';
import type { EventView } from '../api/schemas';
import { usePreferences } from '../ui/preferences';
import { columnInfo, defaultColumns, features, makeColumns } from './columns';
import classes from './EventTable.module.css';

interface Props {
  rows: EventView[];
  /** Where the reader is, an index into rows; -1 for nowhere yet. */
  active: number;
  opened: number | null;
  busy: boolean;
  scroller: RefObject<HTMLDivElement | null>;
  grid: RefObject<HTMLDivElement | null>;
  onActivate: (index: number) => void;
  onOpen: (index: number) => void;
  onNearEnd: () => void;
  footer: ReactNode;
}

type EventGrid = ReactTable<typeof features, EventView>;

interface RowProps {
  table: EventGrid;
  row: ReturnType<EventGrid['getRowModel']>['rows'][number];
  index: number;
  top: number;
  height: number;
  template: string;
  active: boolean;
  opened: boolean;
  onClick: () => void;
}

function GridRow({ table, row, index, top, height, template, active, opened, onClick }: RowProps) {
  return (
    <div
      id={`event-${row.id}`} role="row" aria-rowindex={index + 2} aria-selected={opened} className={classes.row} data-active={active || undefined}
      data-failed={row.original.outcome.status !== 'success' || undefined} style={{ gridTemplateColumns: template, height, transform: `translateY(${top}px)` }} onClick={onClick}
    >
      {row.getVisibleCells().map((cell, i) => (
        <div key={cell.id} role="gridcell" aria-colindex={i + 1} className={classes.td}>
          <table.FlexRender cell={cell} />
        </div>
      ))}
    </div>
  );
}

/** The audit log as a grid of which only what is in sight exists. Keys are handled by the page. */
export function EventTable({ rows, active, opened, busy, scroller, grid, onActivate, onOpen, onNearEnd, footer }: Props) {
  const { density, columns: chosen, zone } = usePreferences();
  const columns = useMemo(() => makeColumns(zone), [zone]);
  const columnVisibility = useMemo(() => {
    const wanted = new Set(chosen ?? defaultColumns);
    return Object.fromEntries(columnInfo.map((c) => [c.id, wanted.has(c.id)]));
  }, [chosen]);
  const table = useTable({ features, columns, data: rows, state: { columnVisibility }, getRowId: (r) => String(r.seq) });
  const visible = table.getVisibleLeafColumns();
  const template = visible.map((c) => columnInfo.find((i) => i.id === c.id)?.track ?? '1fr').join(' ');
  const rowHeight = density === 'compact' ? 31 : 43;
  const model = table.getRowModel().rows;
  const virtual = useVirtualizer({ count: model.length, getScrollElement: () => scroller.current, estimateSize: () => rowHeight, overscan: 12 });
  useEffect(() => {
    virtual.measure();
  }, [rowHeight, virtual]);

  const items = virtual.getVirtualItems();
  const last = items[items.length - 1]?.index ?? 0;
  useEffect(() => {
    if (model.length > 0 && last >= model.length - 25) onNearEnd();
  }, [last, model.length, onNearEnd]);
  const moved = useRef(active);
  useEffect(() => {
    if (active >= 0 && active !== moved.current) virtual.scrollToIndex(active, { align: 'auto' });
    moved.current = active;
  }, [active, virtual]);

  return (
    <div ref={scroller} className={classes.scroller} data-busy={busy || undefined}>
      <div
        ref={grid} className={classes.grid} role="grid" tabIndex={0} aria-label="Events" aria-rowcount={model.length + 1} aria-colcount={visible.length}
        aria-busy={busy} aria-activedescendant={active >= 0 && rows[active] ? `event-${rows[active].seq}` : undefined}
      >
      <div role="rowgroup" className={classes.head}>
        <div role="row" aria-rowindex={1} className={classes.headRow} style={{ gridTemplateColumns: template }}>
          {visible.map((c, i) => (
            <div key={c.id} role="columnheader" aria-colindex={i + 1} className={classes.th}>
              {columnInfo.find((info) => info.id === c.id)?.label}
            </div>
          ))}
        </div>
      </div>
      <div role="rowgroup" style={{ height: virtual.getTotalSize(), position: 'relative' }}>
        {items.map((item) => {
          const row = model[item.index];
          if (!row) return null;
          return (
            <GridRow
              key={row.id} table={table} row={row} index={item.index} top={item.start} height={rowHeight} template={template} active={item.index === active}
              opened={row.original.seq === opened}
              onClick={() => {
                onActivate(item.index);
                onOpen(item.index);
              }}
            />
          );
        })}
      </div>
      </div>
      <div className={classes.footer}>{footer}</div>
    </div>
  );
}

export const MemoEventTable = memo(EventTable);
