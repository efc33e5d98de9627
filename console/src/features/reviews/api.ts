import { queryOptions } from '@tanstack/react-query';
import { request } from '../../api/client';
import { ownersSchema, reviewItemsSchema, reviewResultsSchema, reviewSchema, reviewsSchema } from '../../api/schemas';

/** Reviews of who may do what. */
export const reviewsKey = ['access-reviews'] as const;

const at = (id: string) => `/api/access/reviews/${encodeURIComponent(id)}`;

export const reviewsQuery = queryOptions({ queryKey: [...reviewsKey, 'all'], refetchInterval: 30e3, queryFn: ({ signal }) => request('GET', '/api/access/reviews?limit=100', { schema: reviewsSchema, signal }) });
export const reviewQuery = (id: string) => queryOptions({ queryKey: [...reviewsKey, id], queryFn: ({ signal }) => request('GET', at(id), { schema: reviewSchema, signal }) });

export const itemStates = ['waiting', 'confirmed', 'revoked', 'gone', 'undecided'] as const;
export type ItemState = (typeof itemStates)[number];
export interface ItemFilter {
  state: ItemState | '';
  mine: boolean;
  after: string;
}
export const itemsQuery = (id: string, f: ItemFilter) =>
  queryOptions({
    queryKey: [...reviewsKey, id, 'items', f],
    queryFn: ({ signal }) =>
      request('GET', `${at(id)}/items?${new URLSearchParams({ limit: '100', ...(f.state ? { state: f.state } : {}), ...(f.mine ? { mine: 'true' } : {}), ...(f.after ? { after: f.after } : {}) })}`, { schema: reviewItemsSchema, signal }),
  });

export interface ReviewDraft {
  name: string;
  scope: { kind: string; value?: string };
  by: string;
  reviewers?: string[];
  days: number;
  repeat_months: number;
  remind_days: number;
  auto_revoke: boolean;
}
export const createReview = (body: ReviewDraft) => request('POST', '/api/access/reviews', { body, schema: reviewSchema });
export const decideItems = ({ id, ...body }: { id: string; items: string[]; decision: 'confirm' | 'revoke'; reason: string }) => request('POST', `${at(id)}/decisions`, { body, schema: reviewResultsSchema });
export const closeReview = ({ id, leave }: { id: string; leave: boolean }) => request('POST', `${at(id)}/close`, { body: { leave_undecided: leave }, schema: reviewSchema });
export const stopRepeating = (id: string) => request('DELETE', `${at(id)}/repetition`, { schema: reviewSchema });
export const evidenceUrl = (id: string, format: string) => `${at(id)}/evidence?format=${format}`;

export const ownersQuery = queryOptions({ queryKey: [...reviewsKey, 'owners'], queryFn: ({ signal }) => request('GET', '/api/access/role-owners', { schema: ownersSchema, signal }) });
export const setOwner = ({ role, user }: { role: string; user: string }) => request('PUT', `/api/access/role-owners/${encodeURIComponent(role)}`, { body: { user_id: user } });
