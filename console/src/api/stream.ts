import { queryString } from './client';
import type { Query } from './client';
import { parseJSON } from './json';
import { eventSchema } from './schemas';
import type { EventView } from './schemas';

export type StreamState = 'connecting' | 'open' | 'broken';

interface Listener {
  onEvent: (event: EventView) => void;
  onHead: (seq: number) => void;
  onState: (state: StreamState) => void;
}

/**
 * Follows events after a seq (-1: from the log's beginning) by server-sent events. The browser reconnects by itself and resumes after the last id; when the server refuses for
 * good, onState says broken. Returns how to stop.
 */
export function followEvents(filter: Query, after: number, listener: Listener): () => void {
  const source = new EventSource(`/api/events/stream${queryString({ ...filter, ...(after >= 0 ? { after } : {}) })}`, { withCredentials: true });
  listener.onState('connecting');
  source.onopen = () => listener.onState('open');
  source.onerror = () => listener.onState(source.readyState === EventSource.CLOSED ? 'broken' : 'connecting');
  source.addEventListener('event', (message) => {
    const parsed = eventSchema.safeParse(safe((message as MessageEvent<string>).data));
    if (parsed.success) listener.onEvent(parsed.data);
  });
  source.addEventListener('head', (message) => {
    const head = safe((message as MessageEvent<string>).data) as { seq?: number } | null;
    if (head && typeof head.seq === 'number') listener.onHead(head.seq);
  });
  return () => source.close();
}

function safe(text: string): unknown {
  try {
    return parseJSON(text);
  } catch {
    return null;
  }
}
