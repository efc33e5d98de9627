import { Alert, Button, Group, Modal, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import type { Factor } from '../../api/schemas';
import { ConfirmDialog } from '../../ui/dialogs';
import { formatAgo, useTimes } from '../../ui/format';
import { ListHead, NewButton, RowAction, RowList, RowProblem } from '../../ui/rows';
import classes from '../../ui/rows.module.css';
import { Empty, PageTitle } from '../../ui/states';
import { useAct } from '../../ui/useAct';
import { FactorSetup } from '../auth/FactorSetup';
import { RecoveryCodes } from '../auth/RecoveryCodes';
import { confirmFactor, factorsQuery, newRecoveryCodes, removeFactor, startFactor } from '../auth/api';
import PasswordDialog from './PasswordDialog';
import { Sessions } from './Sessions';

/** What the person signs in with, and where they are signed in. */
export function AccountPage() {
  const [password, setPassword] = useState(false);
  useEffect(() => {
    document.title = 'Account security · Probity';
  }, []);
  return (
    <div className="page">
      <PageTitle
        title="Account security" lead="What you sign in with and where you are signed in. Every change is recorded in the log."
        actions={
          <Button variant="default" size="xs" onClick={() => setPassword(true)}>
            Change password
          </Button>
        }
      />
      <Factors />
      <Title order={2} size="h4" mt="xl" mb="xs">
        Sessions
      </Title>
      <Sessions />
      {password && <PasswordDialog onClose={() => setPassword(false)} />}
    </div>
  );
}

function Factors() {
  const factors = useQuery(factorsQuery);
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<Factor | null>(null);
  const [codes, setCodes] = useState<string[]>([]);
  const { data } = factors;
  const replace = useAct(newRecoveryCodes, factorsQuery.queryKey, (r) => setCodes(r.recovery_codes));
  const added = useAct((list: string[]) => Promise.resolve(list), factorsQuery.queryKey, setCodes);
  return (
    <section aria-labelledby="factors">
      <Title order={2} size="h4" mt="lg" mb="xs" id="factors">
        Second factor
      </Title>
      <ListHead lead="A passkey or an authenticator app beside your password: whoever learns the password still cannot sign in.">
        <NewButton label="Add" onClick={() => setAdding(true)} />
      </ListHead>
      {data?.demanded && data.items.length === 0 && (
        <Alert color="amber" mb="sm">
          Your organisation asks for a second factor. At your next sign-in you have to set one up.
        </Alert>
      )}
      <RowList query={factors} label="Factors" empty={<Empty title="Only your password">Add a passkey or an authenticator app.</Empty>}>
        {(f) => <FactorRow key={f.id} factor={f} onRemove={() => setRemoving(f)} />}
      </RowList>
      {data && data.items.length > 0 && (
        <Group mt="sm" gap="sm">
          <Text size="sm" c={data.recovery_codes < 3 ? undefined : 'dimmed'}>
            {data.recovery_codes === 0 ? 'You have no recovery codes left.' : `${data.recovery_codes} of 10 recovery codes left.`}
          </Text>
          <Button size="xs" variant="default" onClick={() => replace.mutate()} loading={replace.isPending}>
            New recovery codes
          </Button>
          <RowProblem error={replace.error} />
        </Group>
      )}
      <Modal opened={adding} onClose={() => setAdding(false)} title="Add a second factor">
        <FactorSetup
          passkeys={data?.passkeys_possible ?? false} start={startFactor} confirm={confirmFactor} onCancel={() => setAdding(false)}
          onDone={(done) => {
            setAdding(false);
            added.mutate(done.recovery_codes);
          }}
        />
      </Modal>
      <Modal opened={codes.length > 0} onClose={() => setCodes([])} title="Recovery codes" closeOnClickOutside={false} closeOnEscape={false} withCloseButton={false}>
        <RecoveryCodes codes={codes} onKept={() => setCodes([])} />
      </Modal>
      {removing && (
        <ConfirmDialog title={`Remove “${removing.name}”?`} label="Remove" act={() => removeFactor(removing.id)} refresh={factorsQuery.queryKey} onClose={() => setRemoving(null)}>
          It no longer signs you in. {data?.items.length === 1 && 'It is your last one: your recovery codes go with it, and your password alone is enough again.'}
        </ConfirmDialog>
      )}
    </section>
  );
}

function FactorRow({ factor, onRemove }: { factor: Factor; onRemove: () => void }) {
  const times = useTimes();
  return (
    <li className={classes.row}>
      <div className={classes.what}>
        <span className={classes.name}>{factor.name}</span>
        <div className={classes.note}>
          {factor.kind === 'totp' ? 'Authenticator app' : 'Passkey'} · added {times.day(factor.created_at)} · {factor.last_used_at ? `last used ${formatAgo(factor.last_used_at)}` : 'not used yet'}
        </div>
      </div>
      <RowAction label="Remove" name={factor.name} onClick={onRemove} />
    </li>
  );
}
