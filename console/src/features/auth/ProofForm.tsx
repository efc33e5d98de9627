import { Alert, Button, Divider, PasswordInput, Stack, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import { ApiError } from '../../api/client';
import { trouble } from '../../api/problems';
import { IconKey } from '../../ui/icons';
import { PasskeyError, answerPasskey } from './passkey';
import type { Proof } from './api';

interface Props {
  ways: readonly string[];
  /** What a browser needs to have a passkey answer. */
  askPasskey: () => Promise<{ public_key: Record<string, unknown> }>;
  onProof: (proof: Proof) => Promise<unknown>;
  submit: string;
}

/** Asks a person for one of the ways to prove who they are: a passkey, a code or the password. */
export function ProofForm({ ways, askPasskey, onProof, submit }: Props) {
  const [typed, setTyped] = useState('');
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState<'' | 'passkey' | 'typed'>('');
  const codes = ways.includes('totp') || ways.includes('recovery_code');
  const password = ways.includes('password');
  const passkey = ways.includes('passkey');
  const show = async (which: 'passkey' | 'typed') => {
    setBusy(which);
    setError(null);
    try {
      if (which === 'passkey') await onProof({ passkey: await answerPasskey((await askPasskey()).public_key) });
      else await onProof(password ? { password: typed } : { code: typed.trim() });
    } catch (cause) {
      setError(cause);
      setTyped('');
      setBusy('');
    }
  };
  return (
    <Stack gap="md">
      {error !== null && <ProofProblem error={error} />}
      {ways.length === 0 && <Alert color="amber">None of your factors can be used here. Ask an administrator to reset them.</Alert>}
      {passkey && (
        <Button leftSection={<IconKey size={16} />} onClick={() => void show('passkey')} loading={busy === 'passkey'} data-autofocus>
          Use a passkey
        </Button>
      )}
      {passkey && codes && <Divider label="or" labelPosition="center" />}
      {(codes || password) && (
        <form
          onSubmit={(e) => {
            e.preventDefault();
            if (typed) void show('typed');
          }}
          noValidate
        >
          <Stack gap="sm">
            {password ? (
              <PasswordInput
                label="Password" autoComplete="current-password" value={typed} onChange={(e) => setTyped(e.currentTarget.value)} data-autofocus autoFocus
                visibilityToggleButtonProps={{ 'aria-label': 'Show or hide the password' }}
              />
            ) : (
              <TextInput
                label={ways.includes('totp') ? 'Code' : 'Recovery code'} autoComplete="one-time-code" inputMode={ways.includes('totp') ? 'text' : 'text'} spellCheck={false} maxLength={64} value={typed}
                onChange={(e) => setTyped(e.currentTarget.value)} {...(passkey ? {} : { 'data-autofocus': true, autoFocus: true })}
                description={codesWords(ways)}
              />
            )}
            <Button type="submit" variant={passkey ? 'default' : 'filled'} loading={busy === 'typed'} disabled={typed === ''}>
              {submit}
            </Button>
          </Stack>
        </form>
      )}
    </Stack>
  );
}

function codesWords(ways: readonly string[]): string {
  if (!ways.includes('totp')) return 'One of those that you have kept; each works once';
  return ways.includes('recovery_code') ? 'Of your authenticator app, or one of your recovery codes' : 'Of your authenticator app';
}

/** Why a proof was not taken. */
export function ProofProblem({ error }: { error: unknown }) {
  if (error instanceof PasskeyError) {
    return (
      <Alert color="amber" role="alert">
        {error.message}
      </Alert>
    );
  }
  const refused = error instanceof ApiError && (error.status === 400 || error.status === 401);
  const { title, detail } = trouble(error);
  return (
    <Alert color="ember" title={refused ? 'That did not work' : title} role="alert">
      <Text size="sm">{refused ? error.detail : detail}</Text>
    </Alert>
  );
}
