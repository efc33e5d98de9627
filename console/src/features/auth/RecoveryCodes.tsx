import { Alert, Button, Group, Stack } from '@mantine/core';
import { IconKey } from '../../ui/icons';
import classes from './SignIn.module.css';

/** Recovery codes, which the server shows this once. */
export function RecoveryCodes({ codes, onKept }: { codes: readonly string[]; onKept: () => void }) {
  const text = `${codes.join('\n')}\n`;
  return (
    <Stack>
      <Alert color="amber" icon={<IconKey />}>
        These codes are shown this once. Each works once in the place of your app or passkey. Print them, or keep them where you keep passwords.
      </Alert>
      <ul className={classes.codes} aria-label="Recovery codes">
        {codes.map((c) => (
          <li key={c}>{c}</li>
        ))}
      </ul>
      <Group justify="space-between">
        <Group gap="xs">
          <Button variant="default" size="xs" onClick={() => void navigator.clipboard?.writeText(text)}>
            Copy
          </Button>
          <Button variant="default" size="xs" component="a" href={`data:text/plain;charset=utf-8,${encodeURIComponent(text)}`} download="probity-recovery-codes.txt">
            Save as a file
          </Button>
        </Group>
        <Button onClick={onKept}>I have kept them</Button>
      </Group>
    </Stack>
  );
}
