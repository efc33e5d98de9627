import type { QueryClient } from '@tanstack/react-query';
import { Outlet, createRootRouteWithContext, createRoute, createRouter, lazyRouteComponent, redirect } from '@tanstack/react-router';
import { approvalStates } from '../features/approvals/api';
import type { ApprovalState } from '../features/approvals/api';
import { sessionQuery } from '../features/auth/session';
import { parseEventSearch } from '../features/events/filter';
import { jobStates } from '../features/jobs/api';
import type { JobState } from '../features/jobs/api';
import { parseSecuritySearch } from '../features/security/kinds';
import { Shell } from '../features/shell/Shell';
import { Failure, Loading } from '../ui/states';
import { NotFound } from './NotFound';
import { one, ownPath, parseSearch, stringifySearch } from './search';

interface RouterContext {
  queries: QueryClient;
}

const root = createRootRouteWithContext<RouterContext>()({ component: Outlet, notFoundComponent: NotFound });

const signin = createRoute({
  getParentRoute: () => root,
  path: '/signin',
  validateSearch: (raw: Record<string, unknown>): { next?: string } => {
    const next = ownPath(raw['next']);
    return next ? { next } : {};
  },
  beforeLoad: async ({ context, search }) => {
    const session = await context.queries.ensureQueryData(sessionQuery).catch(() => null);
    if (session) throw redirect({ href: ownPath(search.next) ?? '/events' });
  },
  component: lazyRouteComponent(() => import('../features/auth/SignInPage'), 'SignInPage'),
});

/** Where download links lead, signed in or not; the token is in the fragment, which no server sees. */
const download = createRoute({
  getParentRoute: () => root,
  path: '/download',
  component: lazyRouteComponent(() => import('../features/downloads/DownloadPage'), 'DownloadPage'),
});

/** Where the links of letters lead; their tokens are in the fragment too. */
const invitation = createRoute({
  getParentRoute: () => root,
  path: '/invitation',
  component: lazyRouteComponent(() => import('../features/auth/InvitationPage'), 'InvitationPage'),
});

const forgot = createRoute({
  getParentRoute: () => root,
  path: '/forgot',
  component: lazyRouteComponent(() => import('../features/auth/ForgotPage'), 'ForgotPage'),
});

const reset = createRoute({
  getParentRoute: () => root,
  path: '/reset',
  component: lazyRouteComponent(() => import('../features/auth/ResetPage'), 'ResetPage'),
});

const app = createRoute({
  getParentRoute: () => root,
  id: '_app',
  beforeLoad: async ({ context, location }) => {
    const session = await context.queries.ensureQueryData(sessionQuery);
    if (!session) throw redirect({ to: '/signin', search: location.href === '/' || location.href === '/events' ? {} : { next: location.href } });
  },
  component: Shell,
});

const index = createRoute({
  getParentRoute: () => app,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/events', replace: true });
  },
});

const events = createRoute({
  getParentRoute: () => app,
  path: '/events',
  validateSearch: parseEventSearch,
  component: lazyRouteComponent(() => import('../features/events/AuditLogPage'), 'AuditLogPage'),
});

const event = createRoute({
  getParentRoute: () => app,
  path: '/events/$seq',
  component: lazyRouteComponent(() => import('../features/events/EventPage'), 'EventPage'),
});

const resource = createRoute({
  getParentRoute: () => app,
  path: '/resources/$type/$id',
  component: lazyRouteComponent(() => import('../features/events/ResourcePage'), 'ResourcePage'),
});

const exportsRoute = createRoute({
  getParentRoute: () => app,
  path: '/exports',
  component: lazyRouteComponent(() => import('../features/exports/ExportsPage'), 'ExportsPage'),
});

const schedules = createRoute({
  getParentRoute: () => app,
  path: '/schedules',
  component: lazyRouteComponent(() => import('../features/schedules/SchedulesPage'), 'SchedulesPage'),
});

export const notificationTabs = ['channels', 'deliveries', 'dead-letters'] as const;
export type NotificationTab = (typeof notificationTabs)[number];

const notifications = createRoute({
  getParentRoute: () => app,
  path: '/notifications',
  validateSearch: (raw: Record<string, unknown>): { tab?: NotificationTab } => {
    const tab = notificationTabs.find((t) => t === one(raw['tab']));
    return tab ? { tab } : {};
  },
  component: lazyRouteComponent(() => import('../features/notifications/NotificationsPage'), 'NotificationsPage'),
});

export const alertTabs = ['history', 'rules', 'live'] as const;
export type AlertTab = (typeof alertTabs)[number];

const alerts = createRoute({
  getParentRoute: () => app,
  path: '/alerts',
  validateSearch: (raw: Record<string, unknown>): { tab?: AlertTab; alert?: string } => {
    const tab = alertTabs.find((t) => t === one(raw['tab']));
    const alert = one(raw['alert']);
    return { ...(tab ? { tab } : {}), ...(alert ? { alert } : {}) };
  },
  component: lazyRouteComponent(() => import('../features/alerts/AlertsPage'), 'AlertsPage'),
});

const streams = createRoute({
  getParentRoute: () => app,
  path: '/streams',
  component: lazyRouteComponent(() => import('../features/streams/StreamsPage'), 'StreamsPage'),
});

const log = createRoute({
  getParentRoute: () => app,
  path: '/log',
  component: lazyRouteComponent(() => import('../features/log/LogPage'), 'LogPage'),
});

const account = createRoute({
  getParentRoute: () => app,
  path: '/account',
  component: lazyRouteComponent(() => import('../features/account/AccountPage'), 'AccountPage'),
});

const jobs = createRoute({
  getParentRoute: () => app,
  path: '/jobs',
  validateSearch: (raw: Record<string, unknown>): { state?: JobState } => {
    const state = jobStates.find((s) => s === one(raw['state']));
    return state ? { state } : {};
  },
  component: lazyRouteComponent(() => import('../features/jobs/JobsPage'), 'JobsPage'),
});

export const accessTabs = ['roles', 'assignments', 'questions', 'systems'] as const;
export type AccessTab = (typeof accessTabs)[number];

const access = createRoute({
  getParentRoute: () => app,
  path: '/access',
  validateSearch: (raw: Record<string, unknown>): { tab?: AccessTab; role?: string } => {
    const tab = accessTabs.find((t) => t === one(raw['tab']));
    const role = one(raw['role']);
    return { ...(tab ? { tab } : {}), ...(role ? { role } : {}) };
  },
  component: lazyRouteComponent(() => import('../features/access/AccessPage'), 'AccessPage'),
});

export const settingsTabs = ['keys', 'issuers', 'users', 'providers', 'events', 'fields', 'flags', 'exports', 'crypto'] as const;
export type SettingsTab = (typeof settingsTabs)[number];

const settings = createRoute({
  getParentRoute: () => app,
  path: '/settings',
  validateSearch: (raw: Record<string, unknown>): { tab?: SettingsTab } => {
    const tab = settingsTabs.find((t) => t === one(raw['tab']));
    return tab ? { tab } : {};
  },
  component: lazyRouteComponent(() => import('../features/settings/SettingsPage'), 'SettingsPage'),
});

/** The server makes this page itself, so that it is there when the console is not. Here it is only met on the way from signing in. */
const approvals = createRoute({
  getParentRoute: () => app,
  path: '/approvals',
  validateSearch: (raw: Record<string, unknown>): { state?: ApprovalState; id?: string } => {
    const state = approvalStates.find((s) => s === one(raw['state']));
    const id = one(raw['id']);
    return { ...(state ? { state } : {}), ...(id ? { id } : {}) };
  },
  component: lazyRouteComponent(() => import('../features/approvals/ApprovalsPage'), 'ApprovalsPage'),
});

const tenants = createRoute({
  getParentRoute: () => app,
  path: '/tenants',
  component: lazyRouteComponent(() => import('../features/tenants/TenantsPage'), 'TenantsPage'),
});

const reviews = createRoute({
  getParentRoute: () => app,
  path: '/reviews',
  validateSearch: (raw: Record<string, unknown>): { id?: string } => {
    const id = one(raw['id']);
    return id ? { id } : {};
  },
  component: lazyRouteComponent(() => import('../features/reviews/ReviewsPage'), 'ReviewsPage'),
});

const security = createRoute({
  getParentRoute: () => app,
  path: '/security',
  validateSearch: parseSecuritySearch,
  component: lazyRouteComponent(() => import('../features/security/SecurityLogPage'), 'SecurityLogPage'),
});

const status = createRoute({
  getParentRoute: () => root,
  path: '/status',
  beforeLoad: () => {
    throw redirect({ href: '/status', reloadDocument: true });
  },
});

const tree = root.addChildren([signin, status, download, invitation, forgot, reset, app.addChildren([index, events, event, resource, exportsRoute, schedules, alerts, jobs, notifications, streams, log, access, approvals, reviews, security, tenants, settings, account])]);

export function makeRouter(queries: QueryClient) {
  return createRouter({
    routeTree: tree,
    context: { queries },
    parseSearch,
    stringifySearch,
    defaultPreload: false,
    defaultPendingComponent: () => <Loading />,
    defaultPendingMs: 300,
    defaultErrorComponent: ({ error, reset }) => (
      <div className="page">
        <Failure error={error} onRetry={reset} />
      </div>
    ),
  });
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
