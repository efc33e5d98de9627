import { Badge, Checkbox, Group, PasswordInput, Select, TagsInput, Text, Textarea, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { queryOptions, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { request } from '../../api/client';
import { oidcProviderSchema, oidcProvidersSchema } from '../../api/schemas';
import type { OidcProvider } from '../../api/schemas';
import { Copy } from '../../ui/Copy';
import { ConfirmDialog, FormDialog } from '../../ui/dialogs';
import { ListHead, NewButton, RowAction, RowList, RowProblem } from '../../ui/rows';
import classes from '../../ui/rows.module.css';
import { Empty } from '../../ui/states';
import { useAct } from '../../ui/useAct';
import { roles } from './api';

const providersQuery = queryOptions({ queryKey: ['oidc-providers'], queryFn: ({ signal }) => request('GET', '/api/oidc-providers', { schema: oidcProvidersSchema, signal }) });

type Entry = OidcProvider & { secret?: string };

const body = (p: Entry) => ({
  name: p.name, issuer: p.issuer, client_id: p.client_id, domains: p.domains, roles: p.roles, create_users: p.create_users, ...(p.groups_claim ? { groups_claim: p.groups_claim } : {}),
  ...(p.default_role ? { default_role: p.default_role } : {}), ...(p.secret ? { client_secret: p.secret } : {}),
});
const add = (p: Entry) => request('POST', '/api/oidc-providers', { body: body(p), schema: oidcProviderSchema });
const change = (p: Entry) => request('PUT', `/api/oidc-providers/${encodeURIComponent(p.id)}`, { body: { ...body(p), paused: p.paused }, schema: oidcProviderSchema });
const remove = (id: string) => request('DELETE', `/api/oidc-providers/${encodeURIComponent(id)}`);

const blank: OidcProvider = { id: '', name: '', issuer: '', client_id: '', domains: [], groups_claim: '', roles: {}, default_role: '', create_users: false, has_secret: false, paused: false, redirect_url: '', logout_url: '', backchannel_logout_url: '', created_at: '' };

export function OidcProviders() {
  const providers = useQuery(providersQuery);
  const [editing, setEditing] = useState<OidcProvider | null>(null);
  const [removing, setRemoving] = useState<OidcProvider | null>(null);
  return (
    <>
      <ListHead lead="People sign in at a provider (OpenID Connect) instead of by password. An e-mail address leads to an account only when the provider has verified it and is trusted for its domain.">
        <NewButton label="New provider" onClick={() => setEditing(blank)} />
      </ListHead>
      <RowList query={providers} label="Sign-in providers" empty={<Empty title="No providers">People sign in by e-mail address and password.</Empty>}>
        {(p) => <ProviderRow key={p.id} provider={p} onChange={() => setEditing(p)} onRemove={() => setRemoving(p)} />}
      </RowList>
      {editing && <ProviderDialog provider={editing} onClose={() => setEditing(null)} />}
      {removing && (
        <ConfirmDialog title={`Remove ${removing.name}?`} label="Remove" act={() => remove(removing.id)} refresh={providersQuery.queryKey} onClose={() => setRemoving(null)}>
          Nobody can sign in there any more. Sessions that have begun go on until they end; accounts stay.
        </ConfirmDialog>
      )}
    </>
  );
}

function ProviderRow({ provider, onChange, onRemove }: { provider: OidcProvider; onChange: () => void; onRemove: () => void }) {
  const pause = useAct(change, providersQuery.queryKey);
  return (
    <li className={classes.row} data-off={provider.paused || undefined}>
      <div className={classes.what}>
        <Group gap="xs">
          <span className={classes.name}>{provider.name}</span>
          {provider.paused && <Badge color="amber">paused</Badge>}
          {provider.create_users && <Badge>makes accounts</Badge>}
        </Group>
        <div className={classes.note}>
          {[provider.issuer, provider.domains.length > 0 && `trusted for ${provider.domains.join(', ')}`].filter(Boolean).join(' · ')}
        </div>
        <Address label="Address to return to" value={provider.redirect_url} of={provider.name} />
        <Address label="After signing out" value={provider.logout_url} of={provider.name} />
        <Address label="Back-channel logout" value={provider.backchannel_logout_url} of={provider.name} />
        <RowProblem error={pause.error} />
      </div>
      <Group gap="xs">
        <RowAction label={provider.paused ? 'Resume' : 'Pause'} name={provider.name} loading={pause.isPending} onClick={() => pause.mutate({ ...provider, paused: !provider.paused })} />
        <RowAction label="Change" name={provider.name} onClick={onChange} />
        <RowAction label="Remove" name={provider.name} onClick={onRemove} />
      </Group>
    </li>
  );
}

const write = (m: Record<string, string>) => Object.entries(m).map(([g, r]) => `${g} = ${r}`).join('\n');

/** What write wrote; null when a line is something else. */
function read(text: string): Record<string, string> | null {
  const out: Record<string, string> = {};
  for (const line of text.split('\n').map((l) => l.trim())) {
    if (line === '') continue;
    const at = line.lastIndexOf('=');
    const [group, role] = [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    if (at < 1 || !group || !role) return null;
    out[group] = role;
  }
  return out;
}

function ProviderDialog({ provider, onClose }: { provider: OidcProvider; onClose: () => void }) {
  const isNew = provider.id === '';
  const save = useAct(isNew ? add : change, providersQuery.queryKey, onClose);
  const form = useForm({
    initialValues: { ...provider, secret: '', mapping: write(provider.roles) },
    validate: {
      name: (v) => (v.trim() ? null : 'Enter a name'),
      issuer: (v) => (/^https?:\/\//.test(v) ? null : 'A web address'),
      client_id: (v) => (v.trim() ? null : 'Enter what the provider calls this installation'),
      mapping: (v) => (read(v) ? null : 'One line each: group = role'),
      default_role: (v, all) => (!all.create_users || v || all.mapping.trim() ? null : 'Choose the role of those who get an account'),
      domains: (v, all) => (!all.create_users || v.length > 0 ? null : 'Name the domains whose people get an account'),
    },
  });
  const submit = form.onSubmit(({ mapping, ...v }) => save.mutate({ ...v, issuer: v.issuer.trim(), default_role: v.default_role ?? '', roles: read(mapping) ?? {} }));
  return (
    <FormDialog title={isNew ? 'New sign-in provider' : `Change ${provider.name}`} size="lg" submit="Save" pending={save.isPending} error={save.error} onSubmit={submit} onClose={onClose}>
      <TextInput label="Name" description="Stands on the button of the sign-in page" maxLength={60} data-autofocus {...form.getInputProps('name')} />
      <TextInput label="Issuer" placeholder="https://login.example.com" {...form.getInputProps('issuer')} />
      <TextInput label="Client id" {...form.getInputProps('client_id')} />
      <PasswordInput label={provider.has_secret ? 'Client secret (empty keeps it)' : 'Client secret (optional)'} autoComplete="off" {...form.getInputProps('secret')} />
      <TagsInput label="Trusted for the e-mail addresses of these domains" placeholder="example.com" splitChars={[',', ' ']} {...form.getInputProps('domains')} />
      <Checkbox label="Make accounts for people who have none" {...form.getInputProps('create_users', { type: 'checkbox' })} />
      <Select label="Role of new people (optional)" data={roles} clearable {...form.getInputProps('default_role')} />
      <TextInput label="Claim that lists groups (optional)" placeholder="groups" {...form.getInputProps('groups_claim')} />
      <Textarea label="Roles by group (optional)" description="One line each. They hold from the next sign-in on." placeholder="audit-team = auditor" autosize minRows={2} maxRows={8} {...form.getInputProps('mapping')} />
      {isNew && (
        <Text size="sm" c="dimmed">
          The address to return to, which the provider has to know, is shown once this is saved.
        </Text>
      )}
    </FormDialog>
  );
}

/** An address that has to be entered at the provider. */
function Address({ label, value, of }: { label: string; value: string; of: string }) {
  return (
    <Group gap="xs" className={classes.note} wrap="nowrap">
      <span>
        {label}: <span className="mono">{value}</span>
      </span>
      <Copy value={value} label={`Copy the address of ${of}: ${label.toLowerCase()}`} />
    </Group>
  );
}
