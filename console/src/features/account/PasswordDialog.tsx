import { Button, Group, Modal, PasswordInput, Stack } from '@mantine/core';
import { useForm } from '@mantine/form';
import { notifications } from '@mantine/notifications';
import { useState } from 'react';
import { request } from '../../api/client';
import { Failure } from '../../ui/states';

export default function PasswordDialog({ onClose }: { onClose: () => void }) {
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const form = useForm({
    initialValues: { current: '', next: '', again: '' },
    validate: {
      current: (v) => (v ? null : 'Enter your present password'),
      next: (v) => (v.length >= 12 ? null : 'Use 12 characters or more'),
      again: (v, all) => (v === all.next ? null : 'The two new passwords differ'),
    },
  });
  const submit = form.onSubmit(async ({ current, next }) => {
    setBusy(true);
    setError(null);
    try {
      await request('POST', '/api/session/password', { body: { current, new: next }, quiet401: true });
      notifications.show({ message: 'Your password has been changed.' });
      onClose();
    } catch (cause) {
      setError(cause);
    } finally {
      setBusy(false);
    }
  });
  return (
    <Modal opened onClose={onClose} title="Change password">
      <form onSubmit={submit} noValidate>
        <Stack>
          {error !== null && <Failure error={error} />}
          <PasswordInput label="Present password" autoComplete="current-password" {...form.getInputProps('current')} />
          <PasswordInput label="New password" description="12 characters or more" autoComplete="new-password" {...form.getInputProps('next')} />
          <PasswordInput label="New password again" autoComplete="new-password" {...form.getInputProps('again')} />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={busy}>
              Change password
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
