import { Alert, Button, Group, Modal, Stack, Text } from '@mantine/core';
import type { QueryKey } from '@tanstack/react-query';
import type { FormEvent, ReactNode } from 'react';
import { Copy } from './Copy';
import classes from './dialogs.module.css';
import { IconKey } from './icons';
import { Failure } from './states';
import { useAct } from './useAct';

interface FormDialogProps {
  title: string;
  size?: string;
  /** What the button says that sends the form. */
  submit: string;
  cancel?: string;
  /** Whether what is done cannot be undone. */
  grave?: boolean;
  pending: boolean;
  disabled?: boolean;
  /** What went wrong; an element in its place says it in other words than the server. */
  error: unknown;
  failure?: ReactNode;
  onSubmit: (e: FormEvent<HTMLFormElement>) => void;
  onClose: () => void;
  children: ReactNode;
}

/** A dialog with a form: its fields, what went wrong, and the way out of it and on. */
export function FormDialog({ title, size = 'md', submit, cancel = 'Cancel', grave, pending, disabled, error, failure, onSubmit, onClose, children }: FormDialogProps) {
  return (
    <Modal opened onClose={onClose} title={title} size={size}>
      <form
        onSubmit={(e) => {
          e.preventDefault();
          onSubmit(e);
        }}
        noValidate
      >
        <Stack>
          {children}
          {error ? (failure ?? <Failure error={error} />) : null}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {cancel}
            </Button>
            <Button type="submit" {...(grave ? { color: 'ember' } : {})} loading={pending} disabled={disabled ?? false}>
              {submit}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

/** Asks before something is done that cannot be undone. */
export function ConfirmDialog({ title, label = 'Delete', act, refresh, onClose, children }: { title: string; label?: string; act: () => Promise<unknown>; refresh: QueryKey; onClose: () => void; children: ReactNode }) {
  const run = useAct(act, refresh, onClose);
  return (
    <FormDialog title={title} submit={label} cancel="Keep it" grave pending={run.isPending} error={run.error} onSubmit={() => run.mutate()} onClose={onClose}>
      <Text size="sm">{children}</Text>
    </FormDialog>
  );
}

/** Shows what the server shows this once. It goes away by its button only. */
export function SecretDialog({ title, values, onClose, children }: { title: string; values: { label: string; value: string }[]; onClose: () => void; children: ReactNode }) {
  return (
    <Modal opened onClose={onClose} title={title} closeOnClickOutside={false} closeOnEscape={false}>
      <Stack>
        <Alert color="amber" icon={<IconKey />}>
          {children}
        </Alert>
        {values.map(({ label, value }) => (
          <div key={label}>
            <Text size="sm" fw={600}>
              {label}
            </Text>
            <div className={classes.secret}>
              <span data-testid="secret">{value}</span>
              <Copy value={value} label={`Copy: ${label.toLowerCase()}`} />
            </div>
          </div>
        ))}
        <Group justify="flex-end">
          <Button onClick={onClose}>I have kept it</Button>
        </Group>
      </Stack>
    </Modal>
  );
}
