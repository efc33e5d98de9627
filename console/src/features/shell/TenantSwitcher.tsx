import { Alert, Menu, Modal } from '@mantine/core';
import { useState } from 'react';
import { trouble } from '../../api/problems';
import type { Session } from '../../api/schemas';
import { IconCheck, IconDown } from '../../ui/icons';
import { FactorSetup } from '../auth/FactorSetup';
import { ProofForm } from '../auth/ProofForm';
import { RecoveryCodes } from '../auth/RecoveryCodes';
import { askSecondFactor, confirmEnrolment, secondFactor, startEnrolment } from '../auth/api';
import { switchTenant } from '../auth/session';
import type { Pending } from '../auth/session';
import classes from './Shell.module.css';

/** Nothing that was loaded in one tenant may be seen in another. */
const enter = () => window.location.assign('/events');

/** Whose log this is, for people who have an account in several tenants: leads to the others. */
export function TenantSwitcher({ session }: { session: Session }) {
  const [waiting, setWaiting] = useState<{ name: string; pending: Pending } | null>(null);
  const [error, setError] = useState<unknown>(null);
  const go = async (id: string, name: string) => {
    try {
      const came = await switchTenant(id);
      if ('user' in came) enter();
      else setWaiting({ name, pending: came });
    } catch (cause) {
      setError(cause);
    }
  };
  return (
    <>
      <Menu position="bottom-start" width={240}>
        <Menu.Target>
          <button type="button" className={classes.switcher} aria-label={`Tenant: ${session.tenant.name}. Switch to another`}>
            {session.tenant.name} <IconDown size={14} />
          </button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>Go on in</Menu.Label>
          {session.tenants.map(({ id, name }) => (
            <Menu.Item key={id} leftSection={id === session.tenant.id ? <IconCheck size={16} /> : <span style={{ width: 16 }} />} disabled={id === session.tenant.id} onClick={() => void go(id, name)}>
              {name}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
      {error !== null && (
        <Modal opened onClose={() => setError(null)} title="That did not work">
          <Alert color="ember" title={trouble(error).title} role="alert">
            {trouble(error).detail}
          </Alert>
        </Modal>
      )}
      {waiting && <SecondStep name={waiting.name} pending={waiting.pending} onClose={() => setWaiting(null)} />}
    </>
  );
}

/** The other tenant asks for more than the password. Until it has it, one stays where one is. */
function SecondStep({ name, pending, onClose }: { name: string; pending: Pending; onClose: () => void }) {
  const [codes, setCodes] = useState<string[] | null>(null);
  return (
    <Modal opened onClose={codes ? enter : onClose} title={codes ? 'Keep your recovery codes' : pending.enrol ? `${name} asks for a second factor` : `One more step to ${name}`}>
      {codes ? (
        <RecoveryCodes codes={codes} onKept={enter} />
      ) : pending.enrol ? (
        <FactorSetup
          passkeys start={(kind, factor) => startEnrolment(pending.token, kind, factor)} confirm={(id, proof) => confirmEnrolment(pending.token, id, proof)}
          onDone={(done) => (done.recovery_codes.length > 0 ? setCodes(done.recovery_codes) : enter())}
        />
      ) : (
        <ProofForm
          ways={pending.ways} submit="Go on" askPasskey={() => askSecondFactor(pending.token)}
          onProof={async (proof) => {
            await secondFactor(pending.token, proof);
            enter();
          }}
        />
      )}
    </Modal>
  );
}
