import { Combobox, Loader, Text, TextInput, useCombobox } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { trouble } from '../../api/problems';
import type { Person } from '../../api/schemas';
import { words } from '../../ui/format';
import { personsQuery } from './api';
import { personFilter, personLabel, rememberPerson } from './persons';

/** Finds people by part of a name, an e-mail or an id. Whoever is chosen from the list is filtered by handle, so no name reaches the URL. */
export function PersonPicker({ label, onPick }: { label: string; onPick: (value: string) => void }) {
  const combobox = useCombobox({ onDropdownClose: () => combobox.resetSelectedOption() });
  const [text, setText] = useState('');
  const [q] = useDebouncedValue(text.trim(), 180);
  const { data, isFetching, error } = useQuery({ ...personsQuery(q), enabled: q.length > 0 });
  const persons = q ? (data?.items ?? []) : [];
  const pick = (value: string): void => {
    onPick(value);
    setText('');
    combobox.closeDropdown();
  };
  return (
    <Combobox
      store={combobox} withinPortal={false}
      onOptionSubmit={(index) => {
        if (index === 'typed') {
          pick(text.trim());
          return;
        }
        const person = persons[Number(index)];
        if (!person) return;
        rememberPerson(person);
        pick(personFilter(person));
      }}
    >
      <Combobox.Target>
        <TextInput
          label={label} placeholder="Name, e-mail or id" value={text} data-autofocus rightSection={isFetching ? <Loader size={14} /> : null}
          onChange={(e) => {
            setText(e.currentTarget.value);
            combobox.openDropdown();
            combobox.selectFirstOption();
          }}
          onFocus={() => combobox.openDropdown()}
          onBlur={() => combobox.closeDropdown()}
        />
      </Combobox.Target>
      <Combobox.Dropdown hidden={text.trim() === ''}>
        <Combobox.Options mah={280} style={{ overflowY: 'auto' }}>
          <Options persons={persons} typed={text.trim()} nobody={!error && q !== '' && !isFetching && persons.length === 0} error={error} />
        </Combobox.Options>
      </Combobox.Dropdown>
    </Combobox>
  );
}

function Options({ persons, typed, nobody, error }: { persons: Person[]; typed: string; nobody: boolean; error: unknown }) {
  return (
    <>
      {persons.map((p, i) => (
        <Combobox.Option key={`${p.type}/${p.handle}/${p.id}`} value={String(i)}>
          <Text size="sm" fw={500}>
            {personLabel(p)}
          </Text>
          <Text size="xs" c="dimmed">
            {[p.type && words(p.type), p.email && p.email !== personLabel(p) ? p.email : '', p.id && p.id !== personLabel(p) ? p.id : ''].filter(Boolean).join(' · ')}
          </Text>
        </Combobox.Option>
      ))}
      {error !== null && <Combobox.Empty>{trouble(error).title}</Combobox.Empty>}
      {nobody && <Combobox.Empty>Nobody by this name</Combobox.Empty>}
      <Combobox.Option value="typed">
        <Text size="sm">
          Exactly “<span className="mono">{typed}</span>”
        </Text>
        <Text size="xs" c="dimmed">
          an id or an e-mail address
        </Text>
      </Combobox.Option>
    </>
  );
}
