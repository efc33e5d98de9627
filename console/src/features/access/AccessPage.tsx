import { Tabs } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { useEffect } from 'react';
import { Empty, PageTitle } from '../../ui/states';
import { useMay } from '../auth/session';
import { Systems } from '../mappings/Systems';
import { Assignments } from './Assignments';
import { Questions } from './Questions';
import { Roles } from './Roles';

const route = getRouteApi('/_app/access');

const tabs = [
  { key: 'roles', label: 'Roles' },
  { key: 'assignments', label: 'Assignments' },
  { key: 'questions', label: 'Who can do what' },
  { key: 'systems', label: 'Other systems' },
] as const;

export function AccessPage() {
  const { tab, role } = route.useSearch();
  const navigate = route.useNavigate();
  const [view, manage] = [useMay('access.view'), useMay('access.manage')];
  useEffect(() => {
    document.title = 'Access · Probity';
  }, []);
  if (!view && !manage) return <Empty title="Access is not yours to see">Your role may not see who may do what.</Empty>;
  return (
    <div className="page">
      <PageTitle title="Access" lead="Roles are sets of permissions; assignments give them to people, for good or for a while. Every change is recorded in the log, and so is what was refused." />
      <Tabs value={tab ?? 'roles'} onChange={(v) => void navigate({ search: { tab: v as (typeof tabs)[number]['key'] } })} keepMounted={false}>
        <Tabs.List aria-label="Access">
          {tabs.map((t) => (
            <Tabs.Tab key={t.key} value={t.key}>
              {t.label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="roles" pt="md">
          <Roles onHolders={(id) => void navigate({ search: { tab: 'assignments', role: id } })} />
        </Tabs.Panel>
        <Tabs.Panel value="assignments" pt="md">
          <Assignments role={role ?? ''} onRole={(id) => void navigate({ search: { tab: 'assignments', ...(id ? { role: id } : {}) } })} />
        </Tabs.Panel>
        <Tabs.Panel value="questions" pt="md">
          <Questions />
        </Tabs.Panel>
        <Tabs.Panel value="systems" pt="md">
          <Systems />
        </Tabs.Panel>
      </Tabs>
    </div>
  );
}
