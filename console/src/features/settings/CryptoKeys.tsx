import { Alert, Badge, Button, Group, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { ReactNode } from 'react';
import type { CryptoKeys as Keys } from '../../api/schemas';
import { Copy } from '../../ui/Copy';
import { formatAgo, plural, useTimes } from '../../ui/format';
import { IconWarn } from '../../ui/icons';
import { ListHead } from '../../ui/rows';
import rows from '../../ui/rows.module.css';
import { Failure, Loading } from '../../ui/states';
import { RotateDialog } from './RotateDialog';
import { cryptoKeysQuery, shortId } from './api';
import type { KeyKind } from './api';
import classes from './Settings.module.css';

/** The keys that encrypt and sign, and how to rotate them. Only verifier keys are ever shown. */
export function CryptoKeys() {
  const { data, error, isPending, refetch } = useQuery(cryptoKeysQuery);
  const [rotating, setRotating] = useState<KeyKind | null>(null);
  return (
    <>
      <ListHead lead="Whatever is rotated, what is stored stays readable and what was signed stays valid. Rotate the master key and the keyset once a year, the signing key every two years or sooner." />
      {error && !data && <Failure error={error} onRetry={() => void refetch()} />}
      {isPending && !error && <Loading />}
      {data && (
        <div className={classes.cards}>
          <Master keys={data} onRotate={() => setRotating('master')} />
          <Keyset keys={data} onRotate={() => setRotating('tenant')} />
          <Signing keys={data} onRotate={() => setRotating('signing')} />
        </div>
      )}
      {rotating && data && <RotateDialog kind={rotating} keys={data} onClose={() => setRotating(null)} />}
    </>
  );
}

function Card({ title, lead, rotate, onRotate, children }: { title: string; lead: string; rotate: string; onRotate: () => void; children: ReactNode }) {
  return (
    <section className={`panel ${classes.card}`} aria-label={title}>
      <Group justify="space-between" align="flex-start">
        <div className={classes.about}>
          <h2 className={classes.heading}>{title}</h2>
          <Text size="sm" c="dimmed">
            {lead}
          </Text>
        </div>
        <Button size="xs" variant="default" onClick={onRotate} aria-label={rotate}>
          Rotate…
        </Button>
      </Group>
      {children}
    </section>
  );
}

function Since({ at }: { at: string }) {
  const times = useTimes();
  return (
    <>
      {times.time(at)} ({formatAgo(at)})
    </>
  );
}

function Master({ keys, onRotate }: { keys: Keys; onRotate: () => void }) {
  const m = keys.master;
  return (
    <Card title="Master key" lead="Wraps the keyset of each tenant and one secret of the accounts. It stays in its file or service." rotate="Rotate the master key" onRotate={onRotate}>
      {m.problem && (
        <Alert color="ember" icon={<IconWarn />} title="The key cannot be used now">
          {m.problem}
        </Alert>
      )}
      {m.behind > 0 && (
        <Alert color="amber" icon={<IconWarn />} title={`${plural(m.behind, 'keyset or secret', 'keysets and secrets')} not under the present version`}>
          The key was rotated elsewhere, or a rotation was interrupted. Rotating it here wraps what is left.
        </Alert>
      )}
      <dl className={classes.facts}>
        <dt>Where it is</dt>
        <dd className="mono">{m.kms}</dd>
        <dt>Version</dt>
        <dd>
          <span className="mono">{m.version}</span>
          {m.current_version && m.current_version !== m.version && (
            <>
              , the service has <span className="mono">{m.current_version}</span>
            </>
          )}
        </dd>
        <dt>Since</dt>
        <dd>
          <Since at={m.since} />
        </dd>
        <dt>Wraps</dt>
        <dd>{m.tenants === 1 ? 'the keyset of this tenant' : `the keysets of ${plural(m.tenants, 'tenant')}`}</dd>
      </dl>
    </Card>
  );
}

function Keyset({ keys, onRotate }: { keys: Keys; onRotate: () => void }) {
  const k = keys.tenant;
  return (
    <Card title="Keyset" lead="Seals this tenant’s secrets: those of persons and months, the signing key, accounts." rotate="Rotate the keyset" onRotate={onRotate}>
      <dl className={classes.facts}>
        <dt>Key that seals</dt>
        <dd className="mono">{k.primary}</dd>
        <dt>Since</dt>
        <dd>
          <Since at={k.since} />
        </dd>
        <dt>Keys in it</dt>
        <dd>{k.keys > 1 ? `${k.keys}; the older ones open what they have sealed` : k.keys}</dd>
        <dt>Wrapped under</dt>
        <dd>
          version <span className="mono">{k.wrapped_under}</span> of the master key
        </dd>
      </dl>
    </Card>
  );
}

const states: Record<string, { label: string; colour: string }> = {
  active: { label: 'signs', colour: 'pine' }, overlap: { label: 'signs beside its successor', colour: 'amber' }, retired: { label: 'retired', colour: 'gray' },
};

function Signing({ keys, onRotate }: { keys: Keys; onRotate: () => void }) {
  const times = useTimes();
  return (
    <Card title="Signing keys" lead="Sign checkpoints, promises and bundles. Whoever verifies needs the verifier keys, those of retired ones too." rotate="Rotate the signing key" onRotate={onRotate}>
      <ul className={rows.rows} aria-label="Signing keys">
        {keys.signing.map((k) => (
          <li key={k.key_id} className={classes.key}>
            <Group gap="xs">
              <span className={`${rows.name} mono`}>{shortId(k.key_id)}</span>
              <Badge color={states[k.state]?.colour ?? 'gray'}>{states[k.state]?.label ?? k.state}</Badge>
            </Group>
            <div className={rows.note}>
              Made {times.day(k.created_at)} ({formatAgo(k.created_at)})
              {k.retires_at && (k.state === 'retired' ? ` · signed until ${times.time(k.retires_at)}` : ` · signs until ${times.time(k.retires_at)}`)}
            </div>
            <div className={classes.vkey}>
              <span className="mono">{k.vkey}</span>
              <Copy value={k.vkey} label={`Copy the verifier key ${shortId(k.key_id)}`} />
            </div>
          </li>
        ))}
      </ul>
    </Card>
  );
}
