import { queryOptions } from '@tanstack/react-query';
import { request } from '../../api/client';
import { outsideRolesSchema, systemRunSchema, systemSchema, systemsSchema } from '../../api/schemas';

/** Systems elsewhere whose roles follow from roles here. */
export const systemsKey = ['access-systems'] as const;

const at = (id: string) => `/api/access/systems/${encodeURIComponent(id)}`;

export const systemsQuery = queryOptions({ queryKey: [...systemsKey, 'all'], refetchInterval: 5e3, queryFn: ({ signal }) => request('GET', '/api/access/systems', { schema: systemsSchema, signal }) });
/** The newest report; run makes it another question once there is a newer one. */
export const driftQuery = (id: string, run: string) => queryOptions({ queryKey: [...systemsKey, id, 'drift', run], queryFn: ({ signal }) => request('GET', `${at(id)}/drift`, { schema: systemRunSchema, signal }) });
export const outsideRolesQuery = (id: string) => queryOptions({ queryKey: [...systemsKey, id, 'roles'], staleTime: 60e3, retry: false, queryFn: ({ signal }) => request('GET', `${at(id)}/roles`, { schema: outsideRolesSchema, signal }) });
export const driftCsv = (id: string) => `${at(id)}/drift.csv`;

export interface SystemDraft {
  name: string;
  kind: string;
  base: string;
  spec?: unknown;
  rules: { role_id: string; outside_role: string }[];
  apply: boolean;
  every_hours: number;
  per_second: number;
  max_changes: number;
  secret?: string;
}
export const saveSystem = ({ id, draft }: { id: string; draft: SystemDraft }) => (id ? request('PUT', at(id), { body: draft, schema: systemSchema }) : request('POST', '/api/access/systems', { body: draft, schema: systemSchema }));
export const deleteSystem = (id: string) => request('DELETE', at(id));
export const sync = ({ id, apply }: { id: string; apply: boolean }) => request('POST', `${at(id)}/runs`, { body: { apply }, schema: systemRunSchema });

/** What a description of a system's requests looks like. */
export const specExample = {
  header: 'Authorization',
  value: 'Bearer {secret}',
  users: { url: '/users', items: 'data', id: 'id', email: 'email', roles: 'roles.id', paging: { kind: 'page', param: 'page', size_param: 'per_page', size: 100 } },
  roles: { url: '/roles', items: 'data', id: 'id', name: 'name', paging: { kind: 'none' } },
  assign: { method: 'POST', url: '/users/{user}/roles', body: { role: '{role}' } },
  unassign: { method: 'DELETE', url: '/users/{user}/roles/{role}' },
};
