import { Button, Text } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import * as z from 'zod/mini';
import { request } from '../../api/client';
import type { EventView } from '../../api/schemas';
import { ElevationDialog } from '../approvals/dialogs';
import { sessionQuery, useMay, useSession } from '../auth/session';

const rightsSchema = z.object({ permissions: z.array(z.object({ key: z.string(), because: z.array(z.object({ roleId: z.string(), expiresAt: z.optional(z.string()) })) })) });

/** What is hidden from the reader, in words: "e-mail, address". */
function hidden(view: EventView): string {
  const names = Object.entries(view.fields_state)
    .filter(([, state]) => state === 'masked' || state === 'withheld')
    .map(([path]) => path.split('/').filter(Boolean).slice(-2).join(' ').replace(/_/g, ' '));
  const some = [...new Set(names)];
  return some.slice(0, 4).join(', ') + (some.length > 4 ? ` and ${some.length - 4} more` : '');
}

/** Says what the reader sees masked and asks for more in place; while values are shown for a time, says how long. */
export function AskToSee({ view }: { view: EventView }) {
  const unmasked = useMay('ledger.view_unmasked');
  const session = useSession();
  const queries = useQueryClient();
  const [asking, setAsking] = useState(false);
  const [asked, setAsked] = useState(false);
  // Others decide; the session tells when they have.
  useQuery({ ...sessionQuery, refetchInterval: asked && !unmasked ? 5e3 : false });
  const before = useRef(unmasked);
  useEffect(() => {
    if (before.current === unmasked) return;
    before.current = unmasked;
    void queries.invalidateQueries({ predicate: (q) => q.queryKey[0] !== sessionQuery.queryKey[0] });
  }, [unmasked, queries]);
  const what = hidden(view);
  if (unmasked) return session ? <TimeLeft user={session.user.id} /> : null;
  if (!what) return null;
  return (
    <div role="note" aria-label={`Masked for your role: ${what}`} style={{ display: 'flex', flexWrap: 'wrap', gap: 8, alignItems: 'center', marginTop: 8 }}>
      <Text size="sm" c="dimmed">
        Masked for your role: {what}.
      </Text>
      <Button size="compact-sm" variant="default" onClick={() => setAsking(true)}>
        Ask for elevated access
      </Button>
      {asked && (
        <Text size="sm" role="status">
          Asked. The values appear here once somebody else has approved it.
        </Text>
      )}
      {asking && (
        <ElevationDialog investigation={`Event ${view.seq}`} purpose={`To see ${what} of event ${view.seq}: `}
          onClose={() => setAsking(false)} onAsked={() => setAsked(true)} />
      )}
    </div>
  );
}

/** How long values are shown as they are, where that ends. */
function TimeLeft({ user }: { user: string }) {
  const queries = useQueryClient();
  const rights = useQuery({
    queryKey: ['own-rights', user],
    staleTime: 60e3,
    queryFn: ({ signal }) => request('GET', `/api/access/users/${encodeURIComponent(user)}/permissions`, { schema: rightsSchema, signal }),
  });
  const [now, setNow] = useState(() => Date.now());
  const because = rights.data?.permissions.find((p) => p.key === 'ledger.view_unmasked')?.because ?? [];
  const until = because.length > 0 && because.every((b) => b.expiresAt) ? Math.max(...because.map((b) => Date.parse(b.expiresAt ?? ''))) : 0;
  useEffect(() => {
    if (until === 0) return;
    const tick = setInterval(() => {
      setNow(Date.now());
      if (Date.now() > until) void queries.invalidateQueries({ queryKey: sessionQuery.queryKey });
    }, 15e3);
    return () => clearInterval(tick);
  }, [until, queries]);
  if (until === 0) return null;
  const minutes = Math.max(0, Math.ceil((until - now) / 60e3));
  return (
    <Text size="sm" role="note" mt={8}>
      You see values as they are for {minutes} more {minutes === 1 ? 'minute' : 'minutes'}; each look is recorded.
    </Text>
  );
}
