import { Button, Group, Modal, Select, Stack, Text } from '@mantine/core';
import { useMemo, useState } from 'react';
import { browserZone, formatTimeLong } from '../../ui/format';
import { usePreferences } from '../../ui/preferences';

/** Every zone that the browser knows, the likely ones first. */
export function zoneNames(current: string): string[] {
  const all = typeof Intl.supportedValuesOf === 'function' ? Intl.supportedValuesOf('timeZone') : [];
  return [...new Set(['UTC', browserZone(), current, ...all])];
}

export default function ZoneDialog({ onClose }: { onClose: () => void }) {
  const { zone, set } = usePreferences();
  const [value, setValue] = useState(zone);
  const names = useMemo(() => zoneNames(zone), [zone]);
  return (
    <Modal opened onClose={onClose} title="Time zone">
      <Stack>
        <Select
          label="Show and enter times in" data={names} value={value} onChange={(v) => v && setValue(v)} searchable limit={80} allowDeselect={false}
          nothingFoundMessage="No such time zone"
        />
        <Text size="sm" c="dimmed">
          It is now {formatTimeLong(new Date(), value)}. Links keep exact moments, whatever zone their reader uses.
        </Text>
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button
            onClick={() => {
              set({ zone: value });
              onClose();
            }}
          >
            Use this zone
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
