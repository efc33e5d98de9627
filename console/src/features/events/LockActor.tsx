import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { EventView } from '../../api/schemas';
import { useMay, useSession } from '../auth/session';
import { LockDialog } from '../settings/LockDialog';
import { usersQuery } from '../settings/api';

/** Locks the account of whoever did it, or tried to sign in as, when that is a user of this tenant. */
export function LockActor({ view }: { view: EventView }) {
  const may = useMay('access.manage');
  const me = useSession()?.user.id;
  const [asking, setAsking] = useState(false);
  // A sign-in that failed was nobody's; whose account it was about is the subject.
  const attempt = view.actor.type === 'anonymous' && view.subject?.type === 'user';
  const person = attempt || view.actor.type === 'user' || view.actor.type === '';
  const id = attempt ? (view.subject?.id ?? '') : view.actor.id;
  const { data } = useQuery({ ...usersQuery, enabled: may && person });
  const email = view.actor.email.toLowerCase();
  const user = data?.items.find((u) => (id !== '' && u.id === id) || (email !== '' && u.email === email));
  if (!may || !person || !user || user.id === me || user.locked_at) return null;
  return (
    <>
      <Button size="xs" variant="default" color="ember" mt="sm" onClick={() => setAsking(true)}>
        Lock this account
      </Button>
      {asking && <LockDialog user={user} entry={Number(view.seq)} onClose={() => setAsking(false)} />}
    </>
  );
}
