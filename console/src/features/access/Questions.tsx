import { Badge, Group, Select, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { Because } from '../../api/schemas';
import { useTimes } from '../../ui/format';
import { RowList } from '../../ui/rows';
import classes from '../../ui/rows.module.css';
import { useMay } from '../auth/session';
import { usersQuery } from '../settings/api';
import { assignmentsQuery, permissionsQuery, scopeWords, whatQuery, whoQuery } from './api';

/** Who may do something, and what somebody may do, each with the reason. */
export function Questions() {
  return (
    <>
      <WhoCan />
      <WhatCan />
    </>
  );
}

function WhoCan() {
  const permissions = useQuery(permissionsQuery).data?.items ?? [];
  const [permission, setPermission] = useState<string | null>(null);
  const who = useQuery({ ...whoQuery(permission ?? ''), enabled: permission !== null });
  return (
    <section aria-labelledby="who-title">
      <h2 id="who-title">Who can do this?</h2>
      <Select label="Permission" placeholder="Choose one" searchable maw="26rem" mb="md" value={permission} onChange={setPermission} data={permissions.map((p) => ({ value: p.key, label: `${p.key}: ${p.description}` }))} />
      {permission && (
        <RowList query={who} label={`People who may ${permission}`} empty={<Text p="md">Nobody.</Text>}>
          {(w) => (
            <li key={w.userId} className={classes.row}>
              <div className={classes.what}>
                <span className={classes.name}>{w.userName || w.userId}</span>
                <Why list={w.because} />
              </div>
            </li>
          )}
        </RowList>
      )}
    </section>
  );
}

/** People by id: from the list of users for those who may see it, from the assignments for the others. */
function usePeople() {
  const manage = useMay('access.manage');
  const users = useQuery({ ...usersQuery, enabled: manage }).data?.items;
  const assigned = useQuery({ ...assignmentsQuery({}), enabled: !manage }).data?.items ?? [];
  if (users) return users.map((u) => ({ value: u.id, label: u.name ? `${u.name} (${u.email})` : u.email }));
  return [...new Map(assigned.map((a) => [a.userId, { value: a.userId, label: a.userName || a.userId }])).values()];
}

function WhatCan() {
  const people = usePeople();
  const [user, setUser] = useState<string | null>(null);
  const what = useQuery({ ...whatQuery(user ?? ''), enabled: user !== null, select: (w) => ({ ...w, items: w.permissions }) });
  return (
    <section aria-labelledby="what-title">
      <h2 id="what-title">What can this person do, and why?</h2>
      <Select label="Person" placeholder="Choose one" searchable maw="26rem" mb="md" value={user} onChange={setUser} data={people} />
      {what.data?.locked && <Text mb="xs">The account is locked: nothing of this holds now.</Text>}
      {user && (
        <RowList query={what} label="What this person may do" empty={<Text p="md">Nothing.</Text>}>
          {(p) => (
            <li key={p.key} className={classes.row}>
              <div className={classes.what}>
                <Group gap="xs">
                  <span className={classes.name}>{p.description}</span>
                  <Badge color="gray" tt="none">
                    {p.key}
                  </Badge>
                </Group>
                <Why list={p.because} />
              </div>
            </li>
          )}
        </RowList>
      )}
    </section>
  );
}

function Why({ list }: { list: Because[] }) {
  const times = useTimes();
  return (
    <div className={classes.note}>
      {list.map((b) => `${b.roleName}, ${scopeWords(b.scope)}${b.expiresAt ? `, until ${times.time(b.expiresAt)}` : ''}`).join(' · ')}
    </div>
  );
}
