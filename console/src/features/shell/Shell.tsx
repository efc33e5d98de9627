import { Drawer } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { Link, Outlet, useLocation } from '@tanstack/react-router';
import { Suspense, lazy, useEffect, useRef } from 'react';
import { IconBell, IconCheck, IconExport, IconJobs, IconKey, IconLive, IconLog, IconMenu, IconSearch, IconSettings, IconShield, IconTenants, IconUser, IconWarn, Mark } from '../../ui/icons';
import { useMay, useSession } from '../auth/session';
import { StepUp } from '../auth/StepUp';
import { UserMenu } from './UserMenu';
import classes from './Shell.module.css';

// Few people have several tenants.
const TenantSwitcher = lazy(() => import('./TenantSwitcher').then((m) => ({ default: m.TenantSwitcher })));

/** What surrounds every page: where one can go, whose log this is, who is looking. */
export function Shell() {
  const [open, { open: show, close }] = useDisclosure(false);
  const { pathname } = useLocation();
  const main = useRef<HTMLElement>(null);
  // A new page begins at its top, whether the page or the window is what scrolls.
  useEffect(() => {
    close();
    main.current?.scrollTo(0, 0);
    window.scrollTo(0, 0);
  }, [pathname, close]);
  return (
    <div className={classes.shell}>
      <a className="skip" href="#main">
        Skip to content
      </a>
      <nav className={classes.rail} aria-label="Main">
        <Brand />
        <Links />
        <div className={classes.spacer} />
        <UserMenu />
      </nav>
      <div className={classes.top} role="region" aria-label="Top bar">
        <Brand />
        <button type="button" className={classes.burger} onClick={show} aria-label="Open navigation" aria-expanded={open}>
          <IconMenu size={22} />
        </button>
      </div>
      <Drawer.Root opened={open} onClose={close} size="17rem" padding={0} styles={{ body: { height: '100%' } }}>
        <Drawer.Overlay />
        <Drawer.Content aria-label="Navigation">
          <Drawer.Body>
            <nav className={classes.drawer} aria-label="Main">
              <Brand />
              <Links />
              <div className={classes.spacer} />
              <UserMenu />
            </nav>
          </Drawer.Body>
        </Drawer.Content>
      </Drawer.Root>
      <main ref={main} className={classes.main} id="main" tabIndex={-1}>
        <Notices />
        <Outlet />
      </main>
      <StepUp />
    </div>
  );
}

/** What everybody should know before anything else: that the log takes no events, say. */
function Notices() {
  const notices = useSession()?.notices ?? [];
  if (notices.length === 0) return null;
  return (
    <div className={classes.notices} role="alert">
      {notices.map((text) => (
        <p key={text}>
          <IconWarn size={16} /> {text}
        </p>
      ))}
    </div>
  );
}

function Brand() {
  const session = useSession();
  return (
    <div className={classes.brand}>
      <Mark />
      <span>
        Probity
        {(session?.tenants.length ?? 0) < 2 && <span className={classes.tenant}>{session?.tenant.name}</span>}
        {session && session.tenants.length > 1 && (
          <Suspense fallback={session.tenant.name}>
            <TenantSwitcher session={session} />
          </Suspense>
        )}
      </span>
    </div>
  );
}

function Links() {
  const settings = useMay('settings.manage');
  const access = useMay('access.manage');
  const view = useMay('access.view');
  const jobs = useMay('jobs.view');
  const search = useMay('ledger.search');
  const notify = useMay('notify.view');
  const tenants = useMay('tenants.manage');
  const operates = useSession()?.tenant.operates ?? false;
  return (
    <ul className={classes.links}>
        <li>
          <Link to="/events" className={classes.link ?? ''} activeOptions={{ includeSearch: false }}>
            <IconLog /> Audit log
          </Link>
        </li>
        {search && (
          <li>
            <Link to="/security" className={classes.link ?? ''} activeOptions={{ includeSearch: false }}>
              <IconKey /> Security log
            </Link>
          </li>
        )}
        <li>
          <Link to="/exports" className={classes.link ?? ''}>
            <IconExport /> Exports
          </Link>
        </li>
        {notify && (
          <li>
            <Link to="/alerts" className={classes.link ?? ''} activeOptions={{ includeSearch: false }}>
              <IconWarn /> Alerts
            </Link>
          </li>
        )}
        {notify && (
          <li>
            <Link to="/notifications" className={classes.link ?? ''} activeOptions={{ includeSearch: false }}>
              <IconBell /> Notifications
            </Link>
          </li>
        )}
        {notify && (
          <li>
            <Link to="/streams" className={classes.link ?? ''}>
              <IconLive /> Streams
            </Link>
          </li>
        )}
        <li>
          <Link to="/log" className={classes.link ?? ''}>
            <IconShield /> Log integrity
          </Link>
        </li>
        {jobs && (
          <li>
            <Link to="/jobs" className={classes.link ?? ''} activeOptions={{ includeSearch: false }}>
              <IconJobs /> Jobs
            </Link>
          </li>
        )}
        {(access || view) && (
          <li>
            <Link to="/access" className={classes.link ?? ''} activeOptions={{ includeSearch: false }}>
              <IconUser /> Access
            </Link>
          </li>
        )}
        <li>
          <Link to="/approvals" className={classes.link ?? ''} activeOptions={{ includeSearch: false }}>
            <IconCheck /> Approvals
          </Link>
        </li>
        <li>
          <Link to="/reviews" className={classes.link ?? ''} activeOptions={{ includeSearch: false }}>
            <IconSearch /> Access reviews
          </Link>
        </li>
        {tenants && operates && (
          <li>
            <Link to="/tenants" className={classes.link ?? ''}>
              <IconTenants /> Tenants
            </Link>
          </li>
        )}
        {(settings || access) && (
          <li>
            <Link to="/settings" className={classes.link ?? ''} activeOptions={{ includeSearch: false }}>
              <IconSettings /> Settings
            </Link>
          </li>
        )}
    </ul>
  );
}
