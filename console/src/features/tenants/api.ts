import { queryOptions } from '@tanstack/react-query';
import { request } from '../../api/client';
import { foundedSchema, tenantSchema, tenantsSchema } from '../../api/schemas';

/** The tenants of the installation, for those who operate it. */
export const tenantsKey = ['tenants'] as const;

export const tenantsQuery = queryOptions({ queryKey: tenantsKey, refetchInterval: 30e3, queryFn: ({ signal }) => request('GET', '/api/tenants', { schema: tenantsSchema, signal }) });

export const createTenant = (body: { name: string; admin_email: string; admin_name: string }) => request('POST', '/api/tenants', { body, schema: foundedSchema });

export type Change = 'suspend' | 'resume' | 'take-back';
export const changeTenant = ({ id, what, reason }: { id: string; what: Change; reason: string }) => request('POST', `/api/tenants/${encodeURIComponent(id)}/${what}`, { body: { reason }, schema: tenantSchema });
export const giveUpTenant = ({ id, ...body }: { id: string; confirm: string; reason: string; grace_days: number }) => request('DELETE', `/api/tenants/${encodeURIComponent(id)}`, { body, schema: tenantSchema });
