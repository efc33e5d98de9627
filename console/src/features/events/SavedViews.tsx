import { ActionIcon, Button, Group, Popover, Stack, Text, TextInput, Tooltip, UnstyledButton } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { SavedView } from '../../api/schemas';
import { Failure } from '../../ui/states';
import { IconBookmark, IconTrash } from '../../ui/icons';
import { parseSearch, stringifySearch } from '../../routes/search';
import { deleteView, saveView, viewsQuery } from './api';
import { filterOf, parseEventSearch } from './filter';
import type { EventFilter } from './filter';
import classes from './SavedViews.module.css';

/** Filters kept under a name, for this person, on the server. */
export function SavedViews({ filter, onApply }: { filter: EventFilter; onApply: (filter: EventFilter) => void }) {
  const [open, { toggle, close }] = useDisclosure(false);
  return (
    <Popover opened={open} onChange={(o) => !o && close()} position="bottom-end" width={310} trapFocus>
      <Popover.Target>
        <Tooltip label="Saved views">
          <ActionIcon variant="default" size={30} aria-label="Saved views" onClick={toggle}>
            <IconBookmark />
          </ActionIcon>
        </Tooltip>
      </Popover.Target>
      <Popover.Dropdown p="sm">
        {open && (
          <Views
            filter={filter}
            onApply={(f) => {
              onApply(f);
              close();
            }}
          />
        )}
      </Popover.Dropdown>
    </Popover>
  );
}

/** A saved view's filter. */
export function filterOfView(view: Pick<SavedView, 'query'>): EventFilter {
  return filterOf(parseEventSearch(parseSearch(view.query)));
}

function Views({ filter, onApply }: { filter: EventFilter; onApply: (filter: EventFilter) => void }) {
  const queries = useQueryClient();
  const { data, error, isPending, refetch } = useQuery(viewsQuery);
  const [name, setName] = useState('');
  const done = () => queries.invalidateQueries({ queryKey: viewsQuery.queryKey });
  const save = useMutation({
    mutationFn: () => saveView(name.trim(), stringifySearch(filter as Record<string, unknown>).replace(/^\?/, '')),
    onSuccess: () => {
      setName('');
      return done();
    },
  });
  const remove = useMutation({ mutationFn: deleteView, onSuccess: done });
  const failed = error ?? save.error ?? remove.error;
  return (
    <Stack gap="sm">
      {failed && <Failure error={failed} onRetry={error ? () => void refetch() : undefined} />}
      {data && data.items.length === 0 && (
        <Text size="sm" c="dimmed">
          No views yet. Set filters, then keep them here under a name.
        </Text>
      )}
      {isPending && !error && (
        <Text size="sm" c="dimmed">
          Loading…
        </Text>
      )}
      {data && data.items.length > 0 && (
        <ul className={classes.list}>
          {data.items.map((v) => (
            <li key={v.id}>
              <UnstyledButton className={classes.view ?? ''} onClick={() => onApply(filterOfView(v))}>
                {v.name}
              </UnstyledButton>
              <ActionIcon variant="subtle" color="gray" aria-label={`Delete view ${v.name}`} loading={remove.isPending && remove.variables === v.id} onClick={() => remove.mutate(v.id)}>
                <IconTrash size={15} />
              </ActionIcon>
            </li>
          ))}
        </ul>
      )}
      <form
        onSubmit={(e) => {
          e.preventDefault();
          if (name.trim()) save.mutate();
        }}
      >
        <Group gap="xs" align="flex-end" wrap="nowrap">
          <TextInput size="xs" label="Keep this view as" value={name} onChange={(e) => setName(e.currentTarget.value)} maxLength={100} style={{ flex: 1 }} />
          <Button size="xs" type="submit" disabled={!name.trim()} loading={save.isPending}>
            Save
          </Button>
        </Group>
      </form>
    </Stack>
  );
}
