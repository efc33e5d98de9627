import { queryOptions } from '@tanstack/react-query';
import { request } from '../../api/client';
import { enrolledSchema, enrolmentSchema, factorsSchema, openSessionsSchema, passkeyOptionsSchema, recoveryCodesSchema, sessionSchema, signInPolicySchema, welcomeSchema } from '../../api/schemas';
import { login } from './session';

export const factorsQuery = queryOptions({ queryKey: ['factors'], queryFn: ({ signal }) => request('GET', '/api/session/factors', { schema: factorsSchema, signal }) });

/** The sessions of a user, or one's own. */
export const sessionsQuery = (userId = '') =>
  queryOptions({ queryKey: ['sessions', userId], queryFn: ({ signal }) => request('GET', '/api/sessions', { query: { user_id: userId }, schema: openSessionsSchema, signal }) });

export const endSession = (id: string) => request('DELETE', `/api/sessions/${encodeURIComponent(id)}`);
export const endSessions = (userId = '') => request('DELETE', '/api/sessions', { query: { user_id: userId } });

export type FactorKind = 'totp' | 'passkey';

/** What a person shows; one of them. */
export interface Proof {
  password?: string;
  code?: string;
  passkey?: Record<string, unknown>;
}

const quiet401 = true;

export const startFactor = (kind: FactorKind, name: string) => request('POST', '/api/session/factors', { body: { kind, name }, schema: enrolmentSchema });
export const confirmFactor = (id: string, proof: Proof) => request('POST', `/api/session/factors/${encodeURIComponent(id)}/confirm`, { body: proof, schema: recoveryCodesSchema });
export const removeFactor = (id: string) => request('DELETE', `/api/session/factors/${encodeURIComponent(id)}`);
export const newRecoveryCodes = () => request('POST', '/api/session/recovery-codes', { schema: recoveryCodesSchema });

export const stepUp = (proof: Proof) => request('POST', '/api/session/step-up', { body: proof, quiet401 });
export const askStepUp = () => request('POST', '/api/session/step-up/passkey', { schema: passkeyOptionsSchema });

export const secondFactor = (token: string, proof: Proof) => request('POST', '/api/session/second-factor', { body: { token, ...proof }, schema: sessionSchema, quiet401 });
export const askSecondFactor = (token: string) => request('POST', '/api/session/second-factor/passkey', { body: { token }, schema: passkeyOptionsSchema, quiet401 });
export const askPasskey = () => request('POST', '/api/session/passkey/ask', { schema: passkeyOptionsSchema, quiet401 });
export const signInWithPasskey = (passkey: Record<string, unknown>) => request('POST', '/api/session/passkey', { body: { passkey }, schema: sessionSchema, quiet401 });
export const startEnrolment = (token: string, kind: FactorKind, name: string) => request('POST', '/api/session/enrolment', { body: { token, kind, name }, schema: enrolmentSchema, quiet401 });
export const confirmEnrolment = (token: string, id: string, proof: Proof) =>
  request('POST', `/api/session/enrolment/${encodeURIComponent(id)}/confirm`, { body: { token, ...proof }, schema: enrolledSchema, quiet401 });

export const policyQuery = queryOptions({ queryKey: ['sign-in-policy'], queryFn: ({ signal }) => request('GET', '/api/access/sign-in-policy', { schema: signInPolicySchema, signal }) });
export const savePolicy = (second_factor_of: string[]) => request('PUT', '/api/access/sign-in-policy', { body: { second_factor_of }, schema: signInPolicySchema });
export const resetFactors = (userId: string, reason: string) => request('POST', `/api/users/${encodeURIComponent(userId)}/factors/reset`, { body: { reason } });

export const lookAtInvitation = (token: string) => request('POST', '/api/session/invitation', { body: { token }, schema: welcomeSchema, quiet401 });
/** Without a password the person sets up a passkey in its place. */
export const acceptInvitation = (token: string, password: string) => login('/api/session/invitation/accept', { token, ...(password ? { password } : {}) });
export const forgotPassword = (email: string) => request('POST', '/api/session/forgotten', { body: { email }, quiet401 });
export const resetPassword = (token: string, password: string) => request('POST', '/api/session/reset', { body: { token, password }, quiet401 });
