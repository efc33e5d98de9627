import { Alert, NumberInput, Text, Textarea } from '@mantine/core';
import { useForm } from '@mantine/form';
import { notifications } from '@mantine/notifications';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { ApiError } from '../../api/client';
import type { CryptoKeys } from '../../api/schemas';
import { Copy } from '../../ui/Copy';
import { FormDialog } from '../../ui/dialogs';
import { plural, useTimes } from '../../ui/format';
import { IconWarn } from '../../ui/icons';
import { cryptoKeysQuery, rotateCryptoKey, shortId } from './api';
import type { KeyKind } from './api';
import classes from './Settings.module.css';

const names: Record<KeyKind, string> = { master: 'master key', tenant: 'keyset', signing: 'signing key' };
const day = 86_400_000;

/** Rotates a key in two steps: the server looks whether it could be done, and then does it. */
export function RotateDialog({ kind, keys, onClose }: { kind: KeyKind; keys: CryptoKeys; onClose: () => void }) {
  const queries = useQueryClient();
  const check = useMutation({ mutationFn: rotateCryptoKey });
  const rotate = useMutation({
    mutationFn: rotateCryptoKey,
    onSuccess: async (now) => {
      queries.setQueryData(cryptoKeysQuery.queryKey, now);
      notifications.show({ message: `The ${names[kind]} has been rotated.` });
      onClose();
      await queries.invalidateQueries({ queryKey: ['log'] });
    },
  });
  const form = useForm({
    initialValues: { reason: '', days: 30 as number | string },
    validate: {
      reason: (v) => (v.trim() ? null : 'Say why; it is recorded in the log'),
      days: (v) => (kind !== 'signing' || (Number(v) >= 1 && Number(v) <= 366) ? null : 'From 1 to 366 days'),
    },
    onValuesChange: () => {
      check.reset();
      rotate.reset();
    },
  });
  const submit = form.onSubmit((v) => {
    const body = { key: kind, reason: v.reason.trim(), ...(kind === 'signing' ? { overlap: `${v.days}d` } : {}) };
    if (check.isSuccess) rotate.mutate(body);
    else check.mutate({ ...body, dry_run: true });
  });
  const error = rotate.error ?? check.error;
  return (
    <FormDialog
      title={`Rotate the ${names[kind]}`} size="lg" submit={check.isSuccess ? 'Rotate now' : 'Check first'} pending={check.isPending || rotate.isPending} error={error}
      failure={error instanceof ApiError && error.status === 403 ? <NotFromHere detail={error.message} /> : undefined} onSubmit={submit} onClose={onClose}
    >
      <Textarea label="Reason" description="It is recorded in the log, with your name" placeholder="Yearly rotation" rows={2} maxLength={1000} required data-autofocus {...form.getInputProps('reason')} />
      {kind === 'signing' && (
        <NumberInput
          label="Old and new key both sign for" suffix=" days" min={1} max={366} allowDecimal={false} description="Within this time, whoever verifies should get the new verifier key" {...form.getInputProps('days')}
        />
      )}
      <div role="status">
        {check.isSuccess && !rotate.error && (
          <Alert color="pine" title="It can be done. Nothing has been changed yet.">
            <Text size="sm">What will happen:</Text>
            <Outcome kind={kind} keys={keys} days={Number(form.values.days)} />
          </Alert>
        )}
      </div>
    </FormDialog>
  );
}

function Outcome({ kind, keys, days }: { kind: KeyKind; keys: CryptoKeys; days: number }) {
  const times = useTimes();
  const old = keys.signing[0];
  const steps: Record<KeyKind, string[]> = {
    master: [
      `The key gets a new version, after ${keys.master.current_version || keys.master.version}.`,
      'The keyset and the secret of the accounts are opened, wrapped under it and compared, all in one transaction.',
      'Older versions stay in the file or service. Keep them as long as there are backups of the database from before.',
    ],
    tenant: [
      'A new key seals what is written from then on.',
      `The ${keys.tenant.keys === 1 ? 'present key stays and opens' : `${plural(keys.tenant.keys, 'present key')} stay and open`} what is stored, of which nothing changes.`,
    ],
    signing: [
      'A new key signs checkpoints, promises and bundles.',
      `The present one${old ? ` (${shortId(old.key_id)})` : ''} signs beside it until ${times.day(new Date(Date.now() + days * day))}. What it signed stays valid.`,
      'Send the new verifier key, which this page then shows, to whoever verifies, by the way by which the first one went.',
    ],
  };
  return (
    <ul className={classes.steps}>
      {steps[kind].map((s) => (
        <li key={s}>{s}</li>
      ))}
      <li>The rotation is an event in the log, with the reason.</li>
    </ul>
  );
}

const command = 'probity keys rotate master --data DIR --reason …';

/** The server does not let a tenant do this; whoever runs it can. */
function NotFromHere({ detail }: { detail: string }) {
  return (
    <Alert color="amber" icon={<IconWarn />} title="This cannot be done from here" role="alert">
      <Text size="sm">{detail.charAt(0).toUpperCase() + detail.slice(1)}.</Text>
      <Text size="sm" mt={6}>
        Nothing has been changed. Whoever runs the server rotates the key on its command line; <span className="mono">--dry-run</span> looks first:
      </Text>
      <div className={classes.vkey}>
        <span className="mono">{command}</span>
        <Copy value={command} label="Copy the command" />
      </div>
    </Alert>
  );
}
