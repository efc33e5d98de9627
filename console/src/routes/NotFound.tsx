import { Button } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { Empty } from '../ui/states';

export function NotFound() {
  return (
    <Empty title="There is no such page" action={<Button component={Link} to="/events">Go to the audit log</Button>}>
      The address may be misspelt, or come from another version of the console.
    </Empty>
  );
}
