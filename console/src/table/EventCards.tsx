import { useWindowVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useLayoutEffect, useRef, useState } from 'react';
import type { EventView } from '../api/schemas';
import { useTimes } from '../ui/format';
import { Outcome } from './cells';
import classes from './EventCards.module.css';

interface Props {
  rows: EventView[];
  onOpen: (index: number) => void;
  onNearEnd: () => void;
}

/** The audit log on a narrow screen: one card per event, scrolling with the page. */
export function EventCards({ rows, onOpen, onNearEnd }: Props) {
  const list = useRef<HTMLUListElement>(null);
  const [margin, setMargin] = useState(0);
  const times = useTimes();
  useLayoutEffect(() => {
    const top = (list.current?.getBoundingClientRect().top ?? 0) + window.scrollY;
    setMargin((old) => (Math.abs(old - top) > 1 ? top : old));
  });
  const virtual = useWindowVirtualizer({ count: rows.length, estimateSize: () => 96, overscan: 8, scrollMargin: margin, getItemKey: (i) => rows[i]?.seq ?? i });
  const items = virtual.getVirtualItems();
  const last = items[items.length - 1]?.index ?? 0;
  useEffect(() => {
    if (rows.length > 0 && last >= rows.length - 10) onNearEnd();
  }, [last, rows.length, onNearEnd]);
  return (
    <ul ref={list} className={classes.list} style={{ height: virtual.getTotalSize() }} aria-label="Events">
      {items.map((item) => {
        const event = rows[item.index];
        if (!event) return null;
        return (
          <li key={item.key} ref={virtual.measureElement} data-index={item.index} className={classes.item} style={{ transform: `translateY(${item.start - margin}px)` }}>
            <button type="button" className={classes.card} onClick={() => onOpen(item.index)} data-failed={event.outcome.status !== 'success' || undefined}>
              <span className={classes.sentence}>{event.sentence || event.action}</span>
              <span className={classes.meta}>
                <time dateTime={event.occurred_at}>{times.time(event.occurred_at)}</time>
                {event.outcome.status !== 'success' && <Outcome status={event.outcome.status} />}
              </span>
              <span className={classes.meta}>
                <span className="mono">{event.action}</span>
              </span>
            </button>
          </li>
        );
      })}
    </ul>
  );
}
