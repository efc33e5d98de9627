import { queryOptions, useQuery } from '@tanstack/react-query';
import { ApiError, request, setCsrfToken } from '../../api/client';
import { loginSchema, sessionSchema, signOutSchema } from '../../api/schemas';
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

/** Asks for a session; what comes is one, or a sign-in that waits. */
export async function login(path: string, body: Record<string, string>): Promise<Session | Pending> {
  const came = await request('POST', path, { body, schema: loginSchema, quiet401: true });
  if (came.user && came.tenant) return accept({ ...came, user: came.user, tenant: came.tenant });
  return { token: came.token, ways: came.ways, enrol: came.enrol };
}

/** Goes on in another tenant. Nothing that a page has loaded may outlast it: whoever calls this loads the console anew. */
export const switchTenant = (id: string) => login('/api/session/switch', { tenant_id: id });

export const signIn = (email: string, password: string) => login('/api/session', { email, password });

/** Ends the session. Where it began at a provider that can end its own too, it returns where to go for that. */
export async function signOut(): Promise<string> {
  const { url } = await request('POST', '/api/session/sign-out', { schema: signOutSchema, quiet401: true });
  setCsrfToken('');
  return url;
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
