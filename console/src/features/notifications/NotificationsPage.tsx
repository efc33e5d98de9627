import { Tabs } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useEffect } from 'react';
import { Empty, PageTitle } from '../../ui/states';
import { useMay } from '../auth/session';
import { Channels } from './Channels';
import { Deliveries } from './Deliveries';
import { channelsQuery } from './api';

const route = getRouteApi('/_app/notifications');

export function NotificationsPage() {
  const { tab } = route.useSearch();
  const navigate = route.useNavigate();
  const may = useMay('notify.view');
  const { data } = useQuery({ ...channelsQuery, enabled: may });
  const dead = data?.items.reduce((n, c) => n + c.dead_letters, 0) ?? 0;
  useEffect(() => {
    document.title = 'Notifications · Probity';
  }, []);
  if (!may) return <Empty title="Notifications are not yours to see">Your role has no access to channels and deliveries.</Empty>;
  return (
    <div className="page">
      <PageTitle title="Notifications" lead="Who hears what happens here: finished exports, a frozen log, a check that failed. Every change to a channel is recorded in the log." />
      <Tabs value={tab ?? 'channels'} onChange={(v) => void navigate({ search: v === 'channels' ? {} : { tab: v as 'deliveries' | 'dead-letters' } })} keepMounted={false}>
        <Tabs.List aria-label="Notifications">
          <Tabs.Tab value="channels">Channels</Tabs.Tab>
          <Tabs.Tab value="deliveries">Deliveries</Tabs.Tab>
          <Tabs.Tab value="dead-letters">Dead letters{dead > 0 ? ` (${dead})` : ''}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="channels" pt="md">
          <Channels />
        </Tabs.Panel>
        <Tabs.Panel value="deliveries" pt="md">
          <Deliveries dead={false} />
        </Tabs.Panel>
        <Tabs.Panel value="dead-letters" pt="md">
          <Deliveries dead />
        </Tabs.Panel>
      </Tabs>
    </div>
  );
}
