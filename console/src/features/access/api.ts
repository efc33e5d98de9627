import { queryOptions } from '@tanstack/react-query';
import { request } from '../../api/client';
import { assignmentSchema, assignmentsSchema, permissionsSchema, roleSchema, rolesSchema, whatSchema, whoSchema } from '../../api/schemas';
import type { Because, RoleInfo } from '../../api/schemas';

/** Everything about access is asked for anew when any of it has changed. */
export const accessKey = ['access'] as const;

export const rolesQuery = queryOptions({ queryKey: [...accessKey, 'roles'], queryFn: ({ signal }) => request('GET', '/api/access/roles', { schema: rolesSchema, signal }) });
export const permissionsQuery = queryOptions({ queryKey: [...accessKey, 'permissions'], queryFn: ({ signal }) => request('GET', '/api/access/permissions', { schema: permissionsSchema, signal }) });

export interface AssignmentFilter {
  role?: string;
  ended?: boolean;
}
export const assignmentsQuery = (f: AssignmentFilter) =>
  queryOptions({
    queryKey: [...accessKey, 'assignments', f],
    queryFn: ({ signal }) => {
      const q = new URLSearchParams({ limit: '500', ...(f.role ? { role_id: f.role } : {}), ...(f.ended ? { ended: 'true' } : {}) });
      return request('GET', `/api/access/assignments?${q}`, { schema: assignmentsSchema, signal });
    },
  });
export const whoQuery = (permission: string) =>
  queryOptions({ queryKey: [...accessKey, 'who', permission], queryFn: ({ signal }) => request('GET', `/api/access/who-can?permission=${encodeURIComponent(permission)}`, { schema: whoSchema, signal }) });
export const whatQuery = (user: string) =>
  queryOptions({ queryKey: [...accessKey, 'what', user], queryFn: ({ signal }) => request('GET', `/api/access/users/${encodeURIComponent(user)}/permissions`, { schema: whatSchema, signal }) });

export interface RoleDraft {
  name: string;
  description: string;
  permissions?: string[];
  copyOf?: string;
}
export const createRole = (draft: RoleDraft) => request('POST', '/api/access/roles', { body: draft, schema: roleSchema });
export const changeRole = (r: RoleInfo, draft: RoleDraft) => request('PUT', `/api/access/roles/${encodeURIComponent(r.roleId)}`, { body: draft, schema: roleSchema });
export const deleteRole = (id: string) => request('DELETE', `/api/access/roles/${encodeURIComponent(id)}`);

export interface Grant {
  userId: string;
  roleId: string;
  expiresAt?: string;
  scope?: { kind: string; value?: string };
  reason?: string;
}
export const assign = (grant: Grant) => request('POST', '/api/operations/rbac/assign', { body: grant, schema: assignmentSchema });
export const revoke = (body: { userId: string; roleId: string; scope: { kind: string; value?: string }; reason?: string }) => request('POST', '/api/operations/rbac/revoke', { body });

/** The built-in roles that others count on: they can be copied, not changed. */
const fixed = new Set(['owner', 'admin', 'auditor', 'writer']);
export const isFixed = (r: RoleInfo) => r.builtIn && fixed.has(r.roleId);

export const scopeWords = (s: Because['scope']) => (s.kind === 'dataset' ? `data set ${s.value}` : s.kind === 'resource_type' ? `resources of type ${s.value}` : 'everywhere');
