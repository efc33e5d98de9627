import { ActionIcon, Drawer, Tooltip } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import type { ReactNode } from 'react';
import type { EventView } from '../../api/schemas';
import { IconClose, IconExternal } from '../../ui/icons';
import { Failure, Loading } from '../../ui/states';
import { EventDetail } from './EventDetail';
import { eventQuery } from './api';
import classes from './EventDrawer.module.css';

interface Props {
  seq: string;
  /** The event as the list has it, shown at once while the whole of it loads. */
  known: EventView | undefined;
  narrow: boolean;
  onClose: () => void;
}

/**
 * One event beside the list. On a wide screen it leaves the list in reach, so that j and k walk through events with it open; on a narrow one
 * it covers the page.
 */
export function EventDrawer({ seq, known, narrow, onClose }: Props) {
  const body = <Body seq={seq} known={known} />;
  const actions = (
    <div className={classes.bar}>
      <span className={classes.seq}>
        Event <span className="mono">{seq}</span>
      </span>
      <Tooltip label="Open on its own page">
        <ActionIcon component={Link} to={`/events/${encodeURIComponent(seq)}`} variant="subtle" color="gray" aria-label="Open on its own page">
          <IconExternal />
        </ActionIcon>
      </Tooltip>
      <ActionIcon variant="subtle" color="gray" aria-label="Close the event" onClick={onClose}>
        <IconClose />
      </ActionIcon>
    </div>
  );
  if (narrow) {
    return (
      <Drawer.Root opened onClose={onClose} size="100%" position="right" padding={0} transitionProps={{ duration: 120 }}>
        <Drawer.Content aria-label={`Event ${seq}`}>
          <Drawer.Body>
            {actions}
            {body}
          </Drawer.Body>
        </Drawer.Content>
      </Drawer.Root>
    );
  }
  return (
    <Panel seq={seq}>
      {actions}
      {body}
    </Panel>
  );
}

function Panel({ seq, children }: { seq: string; children: ReactNode }) {
  const ref = useRef<HTMLElement>(null);
  useEffect(() => {
    if (ref.current) ref.current.scrollTop = 0;
  }, [seq]);
  return (
    <aside ref={ref} className={classes.panel} aria-label={`Event ${seq}`}>
      {children}
    </aside>
  );
}

function Body({ seq, known }: { seq: string; known: EventView | undefined }) {
  const { data, error, refetch } = useQuery({ ...eventQuery(seq), ...(known ? { placeholderData: known } : {}) });
  return (
    <div className={classes.body}>
      {error && <Failure error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Loading />}
      {data && <EventDetail key={seq} view={data} />}
    </div>
  );
}
