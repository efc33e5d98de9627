import { Tabs } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { useEffect } from 'react';
import { Empty, PageTitle } from '../../ui/states';
import { useMay } from '../auth/session';
import { AlertDialog } from './AlertDialog';
import { History } from './History';
import { Live } from './Live';
import { Rules } from './Rules';

const route = getRouteApi('/_app/alerts');

export function AlertsPage() {
  const { tab, alert } = route.useSearch();
  const navigate = route.useNavigate();
  const may = useMay('notify.view');
  const search = useMay('ledger.search');
  useEffect(() => {
    document.title = 'Alerts · Probity';
  }, []);
  if (!may) return <Empty title="Alerts are not yours to see">Your role has no access to alerts and their rules.</Empty>;
  const go = (next: { tab?: 'rules' | 'live'; alert?: string }) => void navigate({ search: next });
  const here = tab === 'rules' || tab === 'live' ? { tab } : {};
  return (
    <div className="page">
      <PageTitle title="Alerts" lead="Rules watch the log for what somebody wants to be told of. Each alert is told once, kept here, and recorded in the log, as is every change to a rule." />
      <Tabs value={tab ?? 'history'} onChange={(v) => go(v === 'rules' || v === 'live' ? { tab: v } : {})} keepMounted={false}>
        <Tabs.List aria-label="Alerts">
          <Tabs.Tab value="history">History</Tabs.Tab>
          <Tabs.Tab value="rules">Rules</Tabs.Tab>
          {search && <Tabs.Tab value="live">Live</Tabs.Tab>}
        </Tabs.List>
        <Tabs.Panel value="history" pt="md">
          <History onOpen={(id) => go({ alert: id })} onRules={() => go({ tab: 'rules' })} />
        </Tabs.Panel>
        <Tabs.Panel value="rules" pt="md">
          <Rules />
        </Tabs.Panel>
        <Tabs.Panel value="live" pt="md">
          {search && <Live onOpen={(id) => go({ tab: 'live', alert: id })} />}
        </Tabs.Panel>
      </Tabs>
      {alert && <AlertDialog id={alert} onClose={() => go(here)} />}
    </div>
  );
}
