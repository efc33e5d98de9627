import { Badge, Group, MultiSelect, Textarea, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { TokenIssuer } from '../../api/schemas';
import { ConfirmDialog, FormDialog } from '../../ui/dialogs';
import { ListHead, NewButton, RowAction, RowList, RowProblem, Tags } from '../../ui/rows';
import classes from '../../ui/rows.module.css';
import { Empty } from '../../ui/states';
import { useAct } from '../../ui/useAct';
import { scopes } from './api';
import { changeIssuer, distrustIssuer, issuersQuery, trustIssuer } from './switches';

const blank: TokenIssuer = { id: '', name: '', issuer: '', audience: '', jwks_url: '', claim: '', permissions: ['ledger.search'], grants: {}, paused: false, created_at: '' };

export function TokenIssuers() {
  const issuers = useQuery(issuersQuery);
  const [editing, setEditing] = useState<TokenIssuer | null>(null);
  const [removing, setRemoving] = useState<TokenIssuer | null>(null);
  return (
    <>
      <ListHead lead="Services may call with a token (JWT) of an issuer that you trust, instead of an API key. A scope operations.ledger.search grants ledger.search, if you allow it to the issuer.">
        <NewButton label="New issuer" onClick={() => setEditing(blank)} />
      </ListHead>
      <RowList query={issuers} label="Token issuers" empty={<Empty title="No issuers">Only API keys and people who sign in are let in.</Empty>}>
        {(i) => <IssuerRow key={i.id} issuer={i} onChange={() => setEditing(i)} onRemove={() => setRemoving(i)} />}
      </RowList>
      {editing && <IssuerDialog issuer={editing} onClose={() => setEditing(null)} />}
      {removing && (
        <ConfirmDialog title={`Stop trusting ${removing.name}?`} label="Remove" act={() => distrustIssuer(removing.id)} refresh={issuersQuery.queryKey} onClose={() => setRemoving(null)}>
          Its tokens are refused from now on.
        </ConfirmDialog>
      )}
    </>
  );
}

function IssuerRow({ issuer, onChange, onRemove }: { issuer: TokenIssuer; onChange: () => void; onRemove: () => void }) {
  const pause = useAct(changeIssuer, issuersQuery.queryKey);
  return (
    <li className={classes.row} data-off={issuer.paused || undefined}>
      <div className={classes.what}>
        <Group gap="xs">
          <span className={classes.name}>{issuer.name}</span>
          {issuer.paused && <Badge color="amber">paused</Badge>}
        </Group>
        <Tags texts={issuer.permissions} />
        <div className={classes.note}>
          {issuer.issuer} · for {issuer.audience} · {issuer.claim || 'scope'}
        </div>
        <RowProblem error={pause.error} />
      </div>
      <Group gap="xs">
        <RowAction label={issuer.paused ? 'Resume' : 'Pause'} name={issuer.name} loading={pause.isPending} onClick={() => pause.mutate({ ...issuer, paused: !issuer.paused })} />
        <RowAction label="Change" name={issuer.name} onClick={onChange} />
        <RowAction label="Remove" name={issuer.name} onClick={onRemove} />
      </Group>
    </li>
  );
}

/** One mapping a line: value = permission, permission. */
export const writeGrants = (grants: Record<string, string[]>) => Object.entries(grants).map(([v, list]) => `${v} = ${list.join(', ')}`).join('\n');

/** What writeGrants wrote; null when a line is something else. */
export function readGrants(text: string): Record<string, string[]> | null {
  const out: Record<string, string[]> = {};
  for (const line of text.split('\n').map((l) => l.trim())) {
    if (line === '') continue;
    const at = line.lastIndexOf('=');
    const value = line.slice(0, at).trim();
    const list = line.slice(at + 1).split(/[\s,]+/).filter(Boolean);
    if (at < 1 || value === '' || list.length === 0) return null;
    out[value] = list;
  }
  return out;
}

function IssuerDialog({ issuer, onClose }: { issuer: TokenIssuer; onClose: () => void }) {
  const isNew = issuer.id === '';
  const save = useAct(isNew ? trustIssuer : changeIssuer, issuersQuery.queryKey, onClose);
  const form = useForm({
    initialValues: { ...issuer, mapping: writeGrants(issuer.grants) },
    validate: {
      name: (v) => (v.trim() ? null : 'Enter a name'),
      issuer: (v) => (/^https?:\/\//.test(v) ? null : 'A web address, as in iss'),
      audience: (v) => (v.trim() ? null : 'Say whom its tokens are for'),
      jwks_url: (v) => (/^https?:\/\//.test(v) ? null : 'A web address'),
      permissions: (v) => (v.length > 0 ? null : 'Choose what its callers may do'),
      mapping: (v) => (readGrants(v) ? null : 'One line each: value = permission, permission'),
    },
  });
  const submit = form.onSubmit(({ mapping, ...v }) => save.mutate({ ...v, name: v.name.trim(), issuer: v.issuer.trim(), audience: v.audience.trim(), jwks_url: v.jwks_url.trim(), grants: readGrants(mapping) ?? {} }));
  return (
    <FormDialog title={isNew ? 'New token issuer' : `Change ${issuer.name}`} size="lg" submit="Save" pending={save.isPending} error={save.error} onSubmit={submit} onClose={onClose}>
      <TextInput label="Name" maxLength={100} data-autofocus {...form.getInputProps('name')} />
      <TextInput label="Issuer" description="The iss of its tokens, to the letter" placeholder="https://login.example.com/" {...form.getInputProps('issuer')} />
      <TextInput label="Audience" description="What the aud of its tokens holds; one that no other tenant uses" placeholder="https://audit.example.com/api" {...form.getInputProps('audience')} />
      <TextInput label="Address of its keys (JWKS)" placeholder="https://login.example.com/.well-known/jwks.json" {...form.getInputProps('jwks_url')} />
      <TextInput label="Claim with scopes or roles (optional)" placeholder="scope" {...form.getInputProps('claim')} />
      <MultiSelect label="The most that its callers may do" data={scopes} {...form.getInputProps('permissions')} />
      <Textarea label="What other values grant (optional)" description="One line each" placeholder="audit-reader = ledger.search, ledger.verify" autosize minRows={2} maxRows={8} {...form.getInputProps('mapping')} />
    </FormDialog>
  );
}
