import { queryOptions } from '@tanstack/react-query';
import { request } from '../../api/client';
import { approvalRulesSchema, approvalSchema, approvalsSchema } from '../../api/schemas';

/** Requests that others decide. */
export const approvalsKey = ['approvals'] as const;

export const approvalStates = ['pending', 'approved', 'denied', 'expired', 'cancelled'] as const;
export type ApprovalState = (typeof approvalStates)[number];

export const approvalsQuery = (state: ApprovalState | '', before: string) =>
  queryOptions({
    queryKey: [...approvalsKey, state, before],
    refetchInterval: 15e3,
    queryFn: ({ signal }) => request('GET', `/api/approvals?${new URLSearchParams({ limit: '50', ...(state ? { state } : {}), ...(before ? { before } : {}) })}`, { schema: approvalsSchema, signal }),
  });
export const approvalQuery = (id: string) =>
  queryOptions({ queryKey: [...approvalsKey, 'one', id], queryFn: ({ signal }) => request('GET', `/api/approvals/${encodeURIComponent(id)}`, { schema: approvalSchema, signal }) });

const act = (id: string, what: string, body?: unknown) => request('POST', `/api/approvals/${encodeURIComponent(id)}/${what}`, { ...(body ? { body } : {}), schema: approvalSchema });
export const decide = ({ id, approve, comment }: { id: string; approve: boolean; comment: string }) => act(id, approve ? 'approve' : 'deny', comment ? { comment } : {});
export const takeBack = (id: string) => act(id, 'cancel');

export interface Elevation {
  purpose: string;
  case?: string;
  minutes: number;
}
export const askElevation = (body: Elevation) => request('POST', '/api/access/elevations', { body, schema: approvalSchema });
export const breakGlass = (body: { justification: string; minutes: number }) => request('POST', '/api/access/break-glass', { body, schema: approvalSchema });

/** How many must approve each kind of request. */
export const rulesQuery = queryOptions({ queryKey: [...approvalsKey, 'rules'], queryFn: ({ signal }) => request('GET', '/api/approval-rules', { schema: approvalRulesSchema, signal }) });
/** Nothing changes before as many as it takes now have approved it. */
export const changeRule = ({ kind, needed, reason }: { kind: string; needed: number; reason: string }) => request('PUT', `/api/approval-rules/${encodeURIComponent(kind)}`, { body: { needed, reason }, schema: approvalSchema });
