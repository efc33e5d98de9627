import { Badge, Group, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import type { Tenant } from '../../api/schemas';
import { SecretDialog } from '../../ui/dialogs';
import { formatAgo, formatNumber, useTimes } from '../../ui/format';
import { ListHead, NewButton, RowAction, RowList } from '../../ui/rows';
import classes from '../../ui/rows.module.css';
import { PageTitle } from '../../ui/states';
import { tenantsQuery } from './api';
import type { Change } from './api';
import { ChangeDialog, CreateDialog, GiveUpDialog } from './dialogs';
import type { Founded } from './dialogs';

const stateWords: Record<Tenant['state'], string> = { active: 'At work', suspended: 'Suspended', leaving: 'To be deleted', deleted: 'Deleted' };
const tones: Record<Tenant['state'], string> = { active: 'pine', suspended: 'amber', leaving: 'ember', deleted: 'gray' };

export function TenantsPage() {
  const query = useQuery(tenantsQuery);
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState<Founded | null>(null);
  const [changing, setChanging] = useState<{ tenant: Tenant; what: Change | 'give-up' } | null>(null);
  const done = () => setChanging(null);
  useEffect(() => {
    document.title = 'Tenants · Probity';
  }, []);
  return (
    <div className="page">
      <PageTitle title="Tenants" lead="The organisations on this installation. Each has a log, keys, people and settings of its own, and sees nothing of the others. You see that they are there, not what they hold." />
      <ListHead lead="Whatever you do here is recorded in your log, and in that of the tenant.">
        <NewButton label="New tenant" onClick={() => setMaking(true)} />
      </ListHead>
      <RowList query={query} label="Tenants">
        {(t) => <Row key={t.id} t={t} onChange={(what) => setChanging({ tenant: t, what })} />}
      </RowList>
      {making && (
        <CreateDialog
          onClose={() => setMaking(false)}
          onMade={(f) => {
            setMaking(false);
            setMade(f);
          }}
        />
      )}
      {made && (
        <SecretDialog title={`${made.tenant.name} is there`} values={[{ label: 'E-mail', value: made.email }, { label: 'Password', value: made.password }]} onClose={() => setMade(null)}>
          Give the password to the administrator on a safe way. It is shown this once.
        </SecretDialog>
      )}
      {changing && changing.what !== 'give-up' && <ChangeDialog tenant={changing.tenant} what={changing.what} onClose={done} />}
      {changing && changing.what === 'give-up' && <GiveUpDialog tenant={changing.tenant} onClose={done} />}
    </div>
  );
}

function Row({ t, onChange }: { t: Tenant; onChange: (what: Change | 'give-up') => void }) {
  const times = useTimes();
  return (
    <li className={classes.row}>
      <div className={classes.what}>
        <Group gap="xs">
          <span className={classes.name}>{t.name}</span>
          <Badge color={tones[t.state]}>{stateWords[t.state]}</Badge>
          {t.operates && <Badge color="gray">Operates the installation</Badge>}
        </Group>
        <div className={classes.note}>
          {formatNumber(t.events)} {t.events === 1 ? 'event' : 'events'} · {formatNumber(t.users)} {t.users === 1 ? 'account' : 'accounts'} · since {times.day(t.created_at)}
        </div>
        {t.state !== 'active' && t.changed_at && (
          <div className={classes.note}>
            {stateWords[t.state]} since {formatAgo(t.changed_at)}
            {t.reason && `: ${t.reason}`}
          </div>
        )}
        {t.state === 'leaving' && <div className={classes.note}>Deleted from {times.time(t.delete_at)} on</div>}
        {t.problem && <Text className={classes.failed ?? ''}>{t.problem}</Text>}
      </div>
      {!t.operates && (
        <Group gap="xs">
          {t.state === 'active' && <RowAction label="Suspend…" name={t.name} onClick={() => onChange('suspend')} />}
          {t.state === 'suspended' && <RowAction label="Resume…" name={t.name} onClick={() => onChange('resume')} />}
          {t.state === 'leaving' && <RowAction label="Keep…" name={t.name} onClick={() => onChange('take-back')} />}
          {(t.state === 'active' || t.state === 'suspended') && <RowAction label="Give up…" name={t.name} onClick={() => onChange('give-up')} />}
        </Group>
      )}
    </li>
  );
}
