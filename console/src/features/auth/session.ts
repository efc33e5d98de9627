import { queryOptions, useQuery } from '@tanstack/react-query';
import { ApiError, request, setCsrfToken } from '../../api/client';
import { loginSchema, sessionSchema } from '../../api/schemas';
import type { Session } from '../../api/schemas';

/** Who is signed in; null when nobody is. */
export const sessionQuery = queryOptions({
  queryKey: ['session'],
  staleTime: 5 * 60e3,
  retry: false,
  queryFn: async ({ signal }): Promise<Session | null> => {
    try {
      return accept(await request('GET', '/api/session', { schema: sessionSchema, signal, quiet401: true }));
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return null;
      throw error;
    }
  },
});

export function accept(session: Session): Session {
  setCsrfToken(session.csrf_token);
  return session;
}

/** A sign-in by password that waits for its second step. */
export interface Pending {
  token: string;
  ways: string[];
  enrol: boolean;
}

export async function signIn(email: string, password: string): Promise<Session | Pending> {
  const login = await request('POST', '/api/session', { body: { email, password }, schema: loginSchema, quiet401: true });
  if (login.user && login.tenant) return accept({ ...login, user: login.user, tenant: login.tenant });
  return { token: login.token, ways: login.ways, enrol: login.enrol };
}

/** Goes on in another tenant. Nothing that a page has loaded may outlast it: whoever calls this loads the console anew. */
export async function switchTenant(id: string): Promise<Session | Pending> {
  const login = await request('POST', '/api/session/switch', { body: { tenant_id: id }, schema: loginSchema });
  if (login.user && login.tenant) return accept({ ...login, user: login.user, tenant: login.tenant });
  return { token: login.token, ways: login.ways, enrol: login.enrol };
}

export async function signOut(): Promise<void> {
  await request('DELETE', '/api/session', { quiet401: true });
  setCsrfToken('');
}

/** The session of a page behind sign-in. */
export function useSession(): Session | null {
  return useQuery(sessionQuery).data ?? null;
}

export type Permission =
  | 'ledger.append' | 'ledger.search' | 'ledger.view_unmasked' | 'ledger.verify' | 'exports.create' | 'jobs.view' | 'jobs.manage' | 'settings.manage' | 'access.manage'
  | 'notify.view' | 'notify.manage' | 'access.view' | 'access.approve' | 'access.break_glass' | 'tenants.manage';

/** Whether the reader may do something. Pages hide what would be refused; the server is what refuses. */
export function useMay(permission: Permission): boolean {
  return useSession()?.user.permissions.includes(permission) ?? false;
}
