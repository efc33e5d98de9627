import { Alert, Code, NumberInput, Select, Text, TextInput, Textarea } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { Failure, Loading } from '../../ui/states';
import type { ApprovalInfo } from '../../api/schemas';
import { FormDialog } from '../../ui/dialogs';
import { useAct } from '../../ui/useAct';
import { sessionQuery } from '../auth/session';
import { approvalsKey, askElevation, breakGlass, changeRule, decide, rulesQuery } from './api';

/** Shows exactly what would be done, and asks for the decision. */
export function DecideDialog({ r, approve, onClose }: { r: ApprovalInfo; approve: boolean; onClose: () => void }) {
  const form = useForm({ initialValues: { comment: '' }, validate: { comment: (v) => (approve || v.trim() ? null : 'Say why') } });
  const send = useAct(decide, approvalsKey, onClose);
  return (
    <FormDialog title={approve ? 'Approve this?' : 'Deny this?'} submit={approve ? 'Approve' : 'Deny'} grave={!approve} pending={send.isPending} error={send.error}
      onSubmit={form.onSubmit((v) => send.mutate({ id: r.id, approve, comment: v.comment.trim() }))} onClose={onClose}>
      <Text size="sm" fw={600}>
        {r.summary}
      </Text>
      <Text size="sm">
        {r.requested_by_name || r.requested_by}: {r.reason}
      </Text>
      <Code block tabIndex={0} aria-label="What would be done" style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>
        {JSON.stringify(r.change, null, 2)}
      </Code>
      <Textarea label="Comment" maxLength={2000} autosize minRows={2} description={approve ? 'May be left empty; recorded in the log' : 'Whoever asks reads it; recorded in the log'} data-autofocus {...form.getInputProps('comment')} />
    </FormDialog>
  );
}

/** Asks to see values for a time; purpose and investigation may be begun by whoever opens it. */
export function ElevationDialog({ purpose = '', investigation = '', onClose, onAsked }: { purpose?: string; investigation?: string; onClose: () => void; onAsked?: () => void }) {
  const form = useForm({ initialValues: { purpose, investigation, minutes: 60 }, validate: { purpose: (v) => (v.trim() && v.trim() !== purpose.trim() ? null : 'Say what for') } });
  const ask = useAct(askElevation, approvalsKey, () => {
    onAsked?.();
    onClose();
  });
  return (
    <FormDialog title="Ask to see values as they are" submit="Ask" pending={ask.isPending} error={ask.error}
      onSubmit={form.onSubmit((v) => ask.mutate({ purpose: v.purpose.trim(), minutes: v.minutes, ...(v.investigation.trim() ? { case: v.investigation.trim() } : {}) }))} onClose={onClose}>
      <Text size="sm">Personal values stay masked for you until somebody else has approved this. The time begins then, and ends by itself.</Text>
      <Textarea label="Purpose" maxLength={2000} autosize minRows={2} data-autofocus {...form.getInputProps('purpose')} />
      <TextInput label="Investigation" description="Such as a ticket; may be left empty" maxLength={200} {...form.getInputProps('investigation')} />
      <NumberInput label="Minutes" min={5} max={480} clampBehavior="strict" {...form.getInputProps('minutes')} />
    </FormDialog>
  );
}

export function BreakGlassDialog({ onClose }: { onClose: () => void }) {
  const form = useForm({ initialValues: { justification: '', minutes: 30 }, validate: { justification: (v) => (v.trim().length >= 20 ? null : 'Say in at least 20 characters what the emergency is') } });
  // What the reader may do has changed with it.
  const act = useAct(breakGlass, sessionQuery.queryKey, onClose);
  return (
    <FormDialog title="Break the glass?" submit="See values now" grave pending={act.isPending} error={act.error}
      onSubmit={form.onSubmit((v) => act.mutate({ justification: v.justification.trim(), minutes: v.minutes }))} onClose={onClose}>
      <Alert color="ember">You see personal values as they are at once. It raises an alarm, and somebody else reviews whether it was justified.</Alert>
      <Textarea label="Emergency" maxLength={2000} autosize minRows={3} data-autofocus {...form.getInputProps('justification')} />
      <NumberInput label="Minutes" min={5} max={240} clampBehavior="strict" {...form.getInputProps('minutes')} />
    </FormDialog>
  );
}

/** Asks for another number of approvals. */
export function RulesDialog({ onClose }: { onClose: () => void }) {
  const rules = useQuery(rulesQuery);
  const form = useForm({
    initialValues: { kind: 'role.assign', needed: '', reason: '' },
    validate: { needed: (v) => (v ? null : 'Choose a number'), reason: (v) => (v.trim() ? null : 'Say why') },
  });
  const ask = useAct(changeRule, approvalsKey, onClose);
  const now = rules.data?.items.find((r) => r.kind === form.values.kind)?.needed;
  return (
    <FormDialog title="How many must approve" submit="Ask for the change" pending={ask.isPending} error={ask.error} disabled={!now}
      onSubmit={form.onSubmit((v) => ask.mutate({ kind: v.kind, needed: Number(v.needed), reason: v.reason.trim() }))} onClose={onClose}>
      <Text size="sm">A change waits for the approval of as many others as it takes now. What waits already keeps its number.</Text>
      {rules.error ? <Failure error={rules.error} /> : !rules.data ? <Loading /> : null}
      <Select label="Requests" allowDeselect={false} data={rules.data?.items.map((r) => ({ value: r.kind, label: r.title })) ?? []} description={now ? `${now} must approve now` : ''} {...form.getInputProps('kind')} />
      <Select label="Approvals needed" allowDeselect={false} data={['1', '2', '3', '4', '5'].map((n) => ({ value: n, label: n, disabled: Number(n) === now }))} {...form.getInputProps('needed')} />
      <Textarea label="Reason" maxLength={2000} autosize minRows={2} description="Those who decide read it; recorded in the log" {...form.getInputProps('reason')} />
    </FormDialog>
  );
}
