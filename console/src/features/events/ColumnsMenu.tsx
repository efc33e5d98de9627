import { ActionIcon, Button, Checkbox, Divider, Popover, Stack, Tooltip } from '@mantine/core';
import { IconColumns } from '../../ui/icons';
import { usePreferences } from '../../ui/preferences';
import { columnInfo, defaultColumns } from '../../table/columns';

/** Which columns the audit log has, and whether there is a chart; kept in this browser. */
export function ColumnsMenu() {
  const { columns, histogram, set } = usePreferences();
  const chosen = columns ?? defaultColumns;
  return (
    <Popover position="bottom-end" width={210} trapFocus>
      <Popover.Target>
        <Tooltip label="Columns">
          <ActionIcon variant="default" size={30} aria-label="Choose columns">
            <IconColumns />
          </ActionIcon>
        </Tooltip>
      </Popover.Target>
      <Popover.Dropdown p="sm">
        <Checkbox.Group value={chosen} onChange={(v) => v.length > 0 && set({ columns: v })} aria-label="Columns">
          <Stack gap={7}>
            {columnInfo.map((c) => (
              <Checkbox key={c.id} value={c.id} label={c.label} size="xs" />
            ))}
          </Stack>
        </Checkbox.Group>
        <Divider my="sm" />
        <Checkbox size="xs" label="Chart over time" checked={histogram} onChange={(e) => set({ histogram: e.currentTarget.checked })} />
        <Button variant="subtle" size="compact-xs" mt="sm" onClick={() => set({ columns: null })}>
          Back to the usual columns
        </Button>
      </Popover.Dropdown>
    </Popover>
  );
}
