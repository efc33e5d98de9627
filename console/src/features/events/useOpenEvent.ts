import { useNavigate } from '@tanstack/react-router';
import { useCallback, useMemo, useState } from 'react';
import type { EventView } from '../../api/schemas';

/** Where the reader is in the list, and which event is open beside it. The open one is in the address, so that it can be linked to. */
export function useOpenEvent(opened: number | null, rows: readonly EventView[], onClosed: () => void) {
  const navigate = useNavigate();
  const [activeSeq, setActiveSeq] = useState<number | null>(opened);
  const active = useMemo(() => (activeSeq === null ? -1 : rows.findIndex((r) => r.seq === activeSeq)), [rows, activeSeq]);
  const open = useCallback(
    (seq: number | null) => void navigate({ to: '.', search: (old) => ({ ...old, event: seq === null ? undefined : String(seq) }), replace: true, resetScroll: false }),
    [navigate],
  );
  const activate = useCallback((index: number) => setActiveSeq(rows[index]?.seq ?? null), [rows]);
  const openAt = useCallback((index: number) => open(rows[index]?.seq ?? null), [rows, open]);
  const close = useCallback(() => {
    open(null);
    onClosed();
  }, [open, onClosed]);
  /** Goes on by so many events; with one open, the next is opened instead. */
  const step = (by: number): void => {
    const seq = rows[Math.min(rows.length - 1, Math.max(0, active + by))]?.seq;
    if (seq === undefined) return;
    setActiveSeq(seq);
    if (opened !== null) open(seq);
  };
  return { active, activate, openAt, close, step };
}
