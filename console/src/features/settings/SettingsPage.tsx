import { Tabs } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { useEffect } from 'react';
import { Empty, PageTitle } from '../../ui/states';
import { useMay } from '../auth/session';
import { CryptoKeys } from './CryptoKeys';
import { CustomFields } from './CustomFields';
import { FeatureFlags } from './FeatureFlags';
import { EventClasses, ExportSettings } from './LogSettings';
import { Keys } from './Keys';
import { OidcProviders } from './OidcProviders';
import { TokenIssuers } from './TokenIssuers';
import { Users } from './Users';

const route = getRouteApi('/_app/settings');

const tabs = [
  { key: 'keys', label: 'API keys', needs: 'access' },
  { key: 'issuers', label: 'Token issuers', needs: 'access' },
  { key: 'users', label: 'Users', needs: 'access' },
  { key: 'providers', label: 'Sign-in providers', needs: 'access' },
  { key: 'events', label: 'Event classes', needs: 'settings' },
  { key: 'fields', label: 'Custom fields', needs: 'settings' },
  { key: 'flags', label: 'Feature flags', needs: 'settings' },
  { key: 'exports', label: 'Retention and exports', needs: 'settings' },
  { key: 'crypto', label: 'Encryption and signing', needs: 'settings' },
] as const;

export function SettingsPage() {
  const { tab } = route.useSearch();
  const navigate = route.useNavigate();
  const may = { access: useMay('access.manage'), settings: useMay('settings.manage') };
  const visible = tabs.filter((t) => may[t.needs]);
  const current = visible.find((t) => t.key === tab)?.key ?? visible[0]?.key;
  useEffect(() => {
    document.title = 'Settings · Probity';
  }, []);
  if (!current) return <Empty title="Settings are for administrators">Your role may not change them.</Empty>;
  return (
    <div className="page">
      <PageTitle title="Settings" lead="Every change here is recorded in the log, with the values before and after." />
      <Tabs value={current} onChange={(v) => void navigate({ search: { tab: v as (typeof tabs)[number]['key'] } })} keepMounted={false}>
        <Tabs.List aria-label="Settings">
          {visible.map((t) => (
            <Tabs.Tab key={t.key} value={t.key}>
              {t.label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="keys" pt="md">
          <Keys />
        </Tabs.Panel>
        <Tabs.Panel value="issuers" pt="md">
          <TokenIssuers />
        </Tabs.Panel>
        <Tabs.Panel value="users" pt="md">
          <Users />
        </Tabs.Panel>
        <Tabs.Panel value="providers" pt="md">
          <OidcProviders />
        </Tabs.Panel>
        <Tabs.Panel value="events" pt="md">
          <EventClasses />
        </Tabs.Panel>
        <Tabs.Panel value="fields" pt="md">
          <CustomFields />
        </Tabs.Panel>
        <Tabs.Panel value="flags" pt="md">
          <FeatureFlags />
        </Tabs.Panel>
        <Tabs.Panel value="exports" pt="md">
          <ExportSettings />
        </Tabs.Panel>
        <Tabs.Panel value="crypto" pt="md">
          <CryptoKeys />
        </Tabs.Panel>
      </Tabs>
    </div>
  );
}
