import { CloseButton, UnstyledButton } from '@mantine/core';
import { words } from '../../ui/format';
import { isNarrowed, listKeys } from './filter';
import type { EventFilter, FilterChange } from './filter';
import { describePerson } from './persons';
import classes from './Filters.module.css';

const labels: Record<string, string> = { ip: 'IP', subject: 'About', correlation_id: 'Correlation' };

/** What narrows the view, each with a way out. */
export function FilterChips({ filter, onChange }: { filter: EventFilter; onChange: (change: FilterChange) => void }) {
  if (!isNarrowed(filter)) return null;
  const chips = listKeys.flatMap((key) =>
    (filter[key] ?? []).map((value) => ({
      key: `${key}=${value}`,
      label: labels[key] ?? words(key),
      value: key === 'actor' || key === 'subject' ? describePerson(value) : value,
      remove: () => {
        const rest = (filter[key] ?? []).filter((v) => v !== value);
        onChange({ [key]: rest.length > 0 ? rest : undefined });
      },
    })),
  );
  for (const key of ['text', 'correlation_id'] as const) {
    const value = filter[key];
    if (value) chips.push({ key, label: labels[key] ?? words(key), value, remove: () => onChange({ [key]: undefined }) });
  }
  const clear = (): void => onChange({ ...Object.fromEntries(listKeys.map((k) => [k, undefined])), text: undefined, correlation_id: undefined });
  return (
    <ul className={classes.chips} aria-label="Active filters">
      {chips.map((c) => (
        <li key={c.key} className={classes.chip}>
          <span className={classes.chipLabel}>{c.label}</span> <span className={classes.chipValue}>{c.value}</span>
          <CloseButton size={18} iconSize={12} aria-label={`Remove filter ${c.label}: ${c.value}`} onClick={c.remove} />
        </li>
      ))}
      <li>
        <UnstyledButton className={classes.clear ?? ''} onClick={clear}>
          Clear all
        </UnstyledButton>
      </li>
    </ul>
  );
}
