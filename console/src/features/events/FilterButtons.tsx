import { Button, Checkbox, MultiSelect, Popover, Stack, TagsInput, Text, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import type { ReactNode } from 'react';
import type { Stats } from '../../api/schemas';
import { IconDown } from '../../ui/icons';
import { formatCompact, words } from '../../ui/format';
import { PersonPicker } from './PersonPicker';
import type { EventFilter, FilterChange, ListKey } from './filter';
import { activities, categories, outcomes, severities } from './words';

interface Props {
  filter: EventFilter;
  stats: Stats | undefined;
  onChange: (change: FilterChange) => void;
}

/** One button per thing to filter by, each opening the one control that it needs. */
export function FilterButtons({ filter, stats, onChange }: Props) {
  const set = (key: ListKey) => (values: string[]) => onChange({ [key]: values.length > 0 ? values : undefined });
  const add = (key: ListKey) => (value: string) => set(key)([...new Set([...(filter[key] ?? []), value])]);
  const more = (['subject', 'source', 'ip', 'category', 'activity', 'severity'] as const).reduce((n, k) => n + (filter[k]?.length ?? 0), filter.correlation_id ? 1 : 0);
  return (
    <>
      <FilterButton label="Actor" count={filter.actor?.length ?? 0}>
        <PersonPicker label="Who did it" onPick={add('actor')} />
      </FilterButton>
      <FilterButton label="Action" count={filter.action?.length ?? 0}>
        <TagsInput
          label="Action" description="Full name, or a pattern such as invoice.*" placeholder="Type and press Enter" value={filter.action ?? []} onChange={set('action')}
          data={(stats?.actions ?? []).map((a) => a.key)} comboboxProps={{ withinPortal: false }} maxDropdownHeight={260} data-autofocus
          renderOption={({ option }) => <Counted text={option.value} count={stats?.actions.find((a) => a.key === option.value)?.count} />}
        />
      </FilterButton>
      <FilterButton label="Resource" count={filter.resource?.length ?? 0}>
        <TagsInput
          label="Resource" description="A type, or type/id such as invoice/42" placeholder="Type and press Enter" value={filter.resource ?? []} onChange={set('resource')}
          data={(stats?.resource_types ?? []).map((a) => a.key).filter(Boolean)} comboboxProps={{ withinPortal: false }} maxDropdownHeight={260} data-autofocus
          renderOption={({ option }) => <Counted text={option.value} count={stats?.resource_types.find((a) => a.key === option.value)?.count} />}
        />
      </FilterButton>
      <FilterButton label="Outcome" count={filter.outcome?.length ?? 0} width={220}>
        <Checkbox.Group label="Outcome" value={filter.outcome ?? []} onChange={set('outcome')}>
          <Stack gap={8} mt={8}>
            {outcomes.map((o) => (
              <Checkbox key={o} value={o} label={<Counted text={words(o)} count={stats?.outcomes.find((s) => s.key === o)?.count} />} />
            ))}
          </Stack>
        </Checkbox.Group>
      </FilterButton>
      <FilterButton label="More" count={more} width={360}>
        <Stack gap="sm">
          <PersonPicker label="Data subject (whose data it is)" onPick={add('subject')} />
          <TagsInput label="Source" placeholder="booking.api" value={filter.source ?? []} onChange={set('source')} />
          <TagsInput label="IP address" placeholder="198.51.100.7" value={filter.ip ?? []} onChange={set('ip')} />
          <MultiSelect label="Severity" data={severities} value={filter.severity ?? []} onChange={set('severity')} comboboxProps={{ withinPortal: false }} />
          <MultiSelect label="Category" data={categories} value={filter.category ?? []} onChange={set('category')} comboboxProps={{ withinPortal: false }} />
          <MultiSelect label="Activity" data={activities} value={filter.activity ?? []} onChange={set('activity')} searchable comboboxProps={{ withinPortal: false }} />
          <TextInput
            label="Correlation id" defaultValue={filter.correlation_id ?? ''} key={filter.correlation_id}
            onBlur={(e) => onChange({ correlation_id: e.currentTarget.value.trim() || undefined })}
            onKeyDown={(e) => e.key === 'Enter' && onChange({ correlation_id: e.currentTarget.value.trim() || undefined })}
          />
        </Stack>
      </FilterButton>
    </>
  );
}

function FilterButton({ label, count, width = 320, children }: { label: string; count: number; width?: number; children: ReactNode }) {
  const [open, { toggle, close }] = useDisclosure(false);
  return (
    <Popover opened={open} onChange={(o) => !o && close()} width={width} position="bottom-start" trapFocus>
      <Popover.Target>
        <Button variant={count > 0 ? 'light' : 'default'} size="xs" onClick={toggle} rightSection={<IconDown size={13} />} aria-label={count > 0 ? `${label}, ${count} set` : label}>
          {count > 0 ? `${label} · ${count}` : label}
        </Button>
      </Popover.Target>
      <Popover.Dropdown p="sm">{children}</Popover.Dropdown>
    </Popover>
  );
}

function Counted({ text, count }: { text: string; count?: number | undefined }) {
  return (
    <span style={{ display: 'flex', justifyContent: 'space-between', gap: 12, width: '100%' }}>
      <span style={{ overflowWrap: 'anywhere' }}>{text}</span>
      {count !== undefined && (
        <Text span size="xs" c="dimmed">
          {formatCompact(count)}
        </Text>
      )}
    </span>
  );
}
