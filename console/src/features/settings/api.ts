import { queryOptions } from '@tanstack/react-query';
import { request } from '../../api/client';
import { cryptoKeysSchema, customFieldSchema, customFieldsSchema, invitationSchema, invitationsSchema, keySchema, keysSchema, settingsSchema, userSchema, usersSchema } from '../../api/schemas';
import type { CustomField, Settings } from '../../api/schemas';

export const keysQuery = queryOptions({ queryKey: ['keys'], queryFn: ({ signal }) => request('GET', '/api/keys', { schema: keysSchema, signal }) });
export const usersQuery = queryOptions({ queryKey: ['users'], queryFn: ({ signal }) => request('GET', '/api/users', { schema: usersSchema, signal }) });
export const settingsQuery = queryOptions({ queryKey: ['settings'], queryFn: ({ signal }) => request('GET', '/api/settings', { schema: settingsSchema, signal }) });
export const fieldsQuery = queryOptions({ queryKey: ['custom-fields'], queryFn: ({ signal }) => request('GET', '/api/custom-fields', { schema: customFieldsSchema, signal }) });

export const cryptoKeysQuery = queryOptions({ queryKey: ['crypto-keys'], queryFn: ({ signal }) => request('GET', '/api/crypto/keys', { schema: cryptoKeysSchema, signal }) });

/** The part of a signing key's id that tells it from the log's other ones: the rest is the name of the log. */
export const shortId = (keyId: string) => keyId.slice(keyId.lastIndexOf('+') + 1);

export type KeyKind = 'master' | 'tenant' | 'signing';

/** With dry_run the server only looks whether it could be done. */
export const rotateCryptoKey = (body: { key: KeyKind; reason: string; overlap?: string; dry_run?: boolean }) => request('POST', '/api/crypto/keys/rotate', { body, schema: cryptoKeysSchema });

export interface NewKey {
  name: string;
  scopes: string[];
  sources?: string[];
  expires_at?: string;
}

export const createKey = (key: NewKey) => request('POST', '/api/keys', { body: key, schema: keySchema });
export const revokeKey = (id: string) => request('DELETE', `/api/keys/${encodeURIComponent(id)}`);

export interface NewUser {
  email: string;
  name: string;
  role: string;
  password: string;
}

export const createUser = (user: NewUser) => request('POST', '/api/users', { body: user, schema: userSchema });
export const changeUser = (id: string, change: { role?: string; locked?: boolean; name?: string; reason?: string; entry?: number }) =>
  request('PATCH', `/api/users/${encodeURIComponent(id)}`, { body: change });

export const invitationsQuery = queryOptions({ queryKey: ['invitations'], refetchInterval: 15e3, queryFn: ({ signal }) => request('GET', '/api/invitations', { schema: invitationsSchema, signal }) });
export const invite = (body: { email: string; name: string; roles: string[] }) => request('POST', '/api/invitations', { body, schema: invitationSchema });
export const reinvite = (id: string) => request('POST', `/api/invitations/${encodeURIComponent(id)}/resend`, { schema: invitationSchema });
export const withdrawInvitation = (id: string) => request('DELETE', `/api/invitations/${encodeURIComponent(id)}`);

export const saveSettings = (settings: Settings) => request('PUT', '/api/settings', { body: settings, schema: settingsSchema });

const fieldBody = (f: CustomField) => ({
  name: f.name, type: f.type, required: f.required, personal: f.personal, searchable: f.searchable,
  ...(f.type === 'enum' ? { enum: f.enum } : {}), ...(f.pattern ? { pattern: f.pattern } : {}), ...(f.category ? { category: f.category } : {}),
  ...(f.description ? { description: f.description } : {}),
});
export const addField = (f: CustomField) => request('POST', '/api/custom-fields', { body: fieldBody(f), schema: customFieldSchema });
export const changeField = (f: CustomField) => request('PUT', `/api/custom-fields/${encodeURIComponent(f.name)}`, { body: fieldBody(f), schema: customFieldSchema });
export const deleteField = (name: string) => request('DELETE', `/api/custom-fields/${encodeURIComponent(name)}`);

export const scopes = [
  { value: 'ledger.append', label: 'Record events', about: 'For applications. Can do nothing else.' },
  { value: 'ledger.search', label: 'Search and read events', about: 'Personal values are masked.' },
  { value: 'ledger.view_unmasked', label: 'See personal values', about: 'Together with searching: values are not masked.' },
  { value: 'ledger.verify', label: 'Verify the log', about: 'Proofs, checkpoints and verification runs.' },
  { value: 'exports.create', label: 'Make exports', about: 'Files of what the key may read.' },
  { value: 'jobs.view', label: 'See background jobs', about: 'Progress, failures and dead letters.' },
  { value: 'jobs.manage', label: 'Manage background jobs', about: 'Cancel, replay and delete.' },
  { value: 'settings.manage', label: 'Change settings', about: 'Event classes, custom fields, retention.' },
  { value: 'access.manage', label: 'Manage access', about: 'Users and keys: as good as an administrator.' },
  { value: 'access.provision', label: 'Provision accounts', about: 'For directories (SCIM): makes, changes and shuts out accounts.' },
  { value: 'notify.view', label: 'See notifications', about: 'Channels, deliveries and dead letters.' },
  { value: 'notify.manage', label: 'Manage notifications', about: 'Set up, test and pause channels; replay dead letters.' },
];

export const roles = [
  { value: 'admin', label: 'Administrator' },
  { value: 'auditor', label: 'Auditor' },
  { value: 'writer', label: 'Writer' },
];

export const roleAbout: Record<string, string> = {
  admin: 'May do everything, and sees personal values.',
  auditor: 'Searches, verifies and exports; personal values are masked.',
  writer: 'Records events only.',
};
