import { useCallback, useEffect, useRef, useState } from 'react';
import { followEvents } from '../../api/stream';
import type { StreamState } from '../../api/stream';
import type { Query } from '../../api/client';
import type { EventView } from '../../api/schemas';
import { rememberPersons } from './persons';

/** Beyond this the page asks for a fresh list instead of growing. */
export const maxWaiting = 500;

export interface LiveEvents {
  state: StreamState | 'off';
  /** Events already taken into the list, newest first. */
  shown: EventView[];
  /** How many wait behind the pill. */
  waiting: number;
  take: () => void;
}

/**
 * Follows events after a seq. New ones go straight into the list while the reader is at its top, and wait behind a pill otherwise. Bursts
 * are gathered for a quarter of a second, so that a busy log does not render a thousand times a second.
 */
export function useLiveEvents(enabled: boolean, query: Query, key: string, after: number | null, atTop: () => boolean): LiveEvents {
  const [state, setState] = useState<StreamState | 'off'>('off');
  const [shown, setShown] = useState<EventView[]>([]);
  const [waiting, setWaiting] = useState<EventView[]>([]);
  const arrived = useRef<EventView[]>([]);
  const top = useRef(atTop);
  useEffect(() => {
    top.current = atTop;
  });

  useEffect(() => {
    setShown([]);
    setWaiting([]);
    arrived.current = [];
  }, [key]);

  useEffect(() => {
    if (!enabled || after === null) {
      setState('off');
      return;
    }
    const stop = followEvents(query, after, { onEvent: (e) => arrived.current.push(e), onHead: () => {}, onState: setState });
    const timer = setInterval(() => {
      if (arrived.current.length === 0) return;
      const batch = arrived.current.reverse();
      arrived.current = [];
      rememberPersons(batch);
      if (top.current()) setShown((old) => merge(batch, old));
      else setWaiting((old) => merge(batch, old));
    }, 250);
    return () => {
      stop();
      clearInterval(timer);
    };
    // The query is named by its key; a new object of the same content must not restart the stream.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [enabled, key, after]);

  const take = useCallback(() => {
    setShown((old) => merge(waiting, old));
    setWaiting([]);
  }, [waiting]);

  return { state, shown, waiting: waiting.length, take };
}

function merge(fresh: EventView[], old: EventView[]): EventView[] {
  const seen = new Set(old.map((e) => e.seq));
  return [...fresh.filter((e) => !seen.has(e.seq)), ...old].slice(0, maxWaiting);
}
