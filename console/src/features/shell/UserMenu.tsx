import { Menu, SegmentedControl, Text, useMantineColorScheme } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQueryClient } from '@tanstack/react-query';
import { Link, useRouter } from '@tanstack/react-router';
import { Suspense, lazy } from 'react';
import { IconAuto, IconClock, IconKey, IconLive, IconMoon, IconSun } from '../../ui/icons';
import { usePreferences } from '../../ui/preferences';
import { words } from '../../ui/format';
import { sessionQuery, signOut, useSession } from '../auth/session';
import classes from './Shell.module.css';

const ZoneDialog = lazy(() => import('./ZoneDialog'));

export function UserMenu() {
  const session = useSession();
  const queries = useQueryClient();
  const router = useRouter();
  const { zone } = usePreferences();
  const [zones, zoneDialog] = useDisclosure(false);
  if (!session) return null;
  const { user } = session;
  const leave = async () => {
    const elsewhere = await signOut().catch(() => '');
    if (elsewhere) {
      window.location.assign(elsewhere); // the provider sends back to the sign-in page
      return;
    }
    queries.clear();
    queries.setQueryData(sessionQuery.queryKey, null);
    await router.invalidate();
  };
  return (
    <>
      <Menu position="top-start" width={264}>
        <Menu.Target>
          <button type="button" className={classes.user}>
            <span className={classes.avatar} aria-hidden="true">
              {initials(user.name || user.email)}
            </span>
            <span>
              <span className={classes.userName}>{user.name || user.email}</span>
              <span className={classes.userRole}>{words(user.role)}</span>
            </span>
          </button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>{user.email}</Menu.Label>
          <Appearance />
          <Menu.Divider />
          <Menu.Item leftSection={<IconClock size={16} />} onClick={zoneDialog.open} rightSection={<Text size="xs" c="dimmed">{zone}</Text>}>
            Time zone
          </Menu.Item>
          <Menu.Item component={Link} to="/account" leftSection={<IconKey size={16} />}>
            Account security
          </Menu.Item>
          <Menu.Item component="a" href="/status" leftSection={<IconLive size={16} />}>
            Service status
          </Menu.Item>
          <Menu.Divider />
          <Menu.Item onClick={() => void leave()}>Sign out</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Suspense fallback={null}>
        {zones && <ZoneDialog onClose={zoneDialog.close} />}
      </Suspense>
    </>
  );
}

function Appearance() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const { density, set } = usePreferences();
  return (
    <div style={{ padding: '0 10px 8px' }}>
      <Text size="xs" c="dimmed" mb={4} aria-hidden="true">
        Appearance
      </Text>
      <SegmentedControl
        fullWidth size="xs" value={colorScheme} onChange={(v) => setColorScheme(v as 'light' | 'dark' | 'auto')} aria-label="Appearance"
        data={[
          { value: 'light', label: <Option icon={<IconSun size={14} />} text="Light" /> },
          { value: 'dark', label: <Option icon={<IconMoon size={14} />} text="Dark" /> },
          { value: 'auto', label: <Option icon={<IconAuto size={14} />} text="Auto" /> },
        ]}
      />
      <Text size="xs" c="dimmed" mb={4} mt={10} aria-hidden="true">
        Density
      </Text>
      <SegmentedControl
        fullWidth size="xs" value={density} onChange={(v) => set({ density: v as 'comfortable' | 'compact' })} aria-label="Density"
        data={[{ value: 'comfortable', label: 'Comfortable' }, { value: 'compact', label: 'Compact' }]}
      />
    </div>
  );
}

function Option({ icon, text }: { icon: React.ReactNode; text: string }) {
  return (
    <span style={{ display: 'inline-flex', alignItems: 'center', gap: 5 }}>
      {icon} {text}
    </span>
  );
}

function initials(name: string): string {
  const parts = name.split(/[\s.@_-]+/).filter(Boolean);
  return ((parts[0]?.[0] ?? '?') + (parts.length > 1 ? (parts[1]?.[0] ?? '') : '')).toUpperCase();
}
