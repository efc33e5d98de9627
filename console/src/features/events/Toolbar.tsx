import { ActionIcon, Button, CloseButton, Kbd, TextInput, Tooltip } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import type { RefObject } from 'react';
import { IconExport, IconHelp, IconLive, IconRefresh, IconSearch, IconZoomOut } from '../../ui/icons';
import { usePreferences } from '../../ui/preferences';
import { useMay } from '../auth/session';
import { ColumnsMenu } from './ColumnsMenu';
import { FilterButtons } from './FilterButtons';
import { SavedViews } from './SavedViews';
import { TimeRange } from './TimeRange';
import type { EventFilter, FilterChange } from './filter';
import type { EventList } from './useEventList';
import classes from './AuditLog.module.css';

interface Props {
  filter: EventFilter;
  list: EventList;
  searchBox: RefObject<HTMLInputElement | null>;
  onChange: (change: FilterChange) => void;
  onApply: (filter: EventFilter) => void;
  onExport: () => void;
  onHelp: () => void;
}

export function Toolbar({ filter, list, searchBox, onChange, onApply, onExport, onHelp }: Props) {
  const mayExport = useMay('exports.create');
  return (
    <div className={classes.toolbar}>
      <div className={classes.titleRow}>
        <h1 className={classes.title}>Audit log</h1>
        <div className={classes.tools}>
          <LiveToggle list={list} />
          <Tooltip label="Look for newer events (r)">
            <ActionIcon variant="default" size={30} onClick={list.refresh} aria-label="Refresh">
              <IconRefresh />
            </ActionIcon>
          </Tooltip>
          <SavedViews filter={filter} onApply={onApply} />
          <span className={classes.wide}>
            <ColumnsMenu />
          </span>
          <span className={classes.wide}>
            <Tooltip label="Keyboard (?)">
              <ActionIcon variant="default" size={30} onClick={onHelp} aria-label="Keyboard shortcuts">
                <IconHelp />
              </ActionIcon>
            </Tooltip>
          </span>
          {mayExport && (
            <Button size="xs" leftSection={<IconExport size={15} />} onClick={onExport}>
              Export
            </Button>
          )}
        </div>
      </div>
      <div className={classes.filterRow}>
        <TimeRange filter={filter} onChange={onChange} />
        {list.range.from !== null && list.range.to !== null && (
          <Tooltip label="Zoom out">
            <ActionIcon variant="default" size={36} aria-label="Zoom out" onClick={() => onChange(widen(list.range.from as number, list.range.to as number))}>
              <IconZoomOut />
            </ActionIcon>
          </Tooltip>
        )}
        <SearchBox value={filter.text ?? ''} box={searchBox} onCommit={(text) => onChange({ text: text || undefined })} />
        <div className={classes.buttons}>
          <FilterButtons filter={filter} stats={list.stats.data} onChange={onChange} />
        </div>
      </div>
    </div>
  );
}

/** Three times as much time around the same middle, not beyond now. */
export function widen(from: number, to: number, now = Date.now()): FilterChange {
  const length = to - from;
  const end = Math.min(to + length, Math.max(to, now));
  return { range: undefined, from: new Date(from - length).toISOString(), to: new Date(end).toISOString() };
}

/** Searches in text half a second after the last key, or at once on Enter. */
function SearchBox({ value, box, onCommit }: { value: string; box: RefObject<HTMLInputElement | null>; onCommit: (text: string) => void }) {
  const [text, setText] = useState(value);
  const committed = useRef(value);
  useEffect(() => {
    if (value === committed.current) return;
    committed.current = value;
    setText(value);
  }, [value]);
  const commit = (next: string): void => {
    const trimmed = next.trim();
    if (trimmed === committed.current) return;
    committed.current = trimmed;
    onCommit(trimmed);
  };
  const latest = useRef(commit);
  useEffect(() => {
    latest.current = commit;
  });
  useEffect(() => {
    const timer = setTimeout(() => latest.current(text), 500);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <TextInput
      ref={box} className={classes.search ?? ''} placeholder="Search in text" aria-label="Search in text" value={text} leftSection={<IconSearch size={16} />}
      onChange={(e) => setText(e.currentTarget.value)}
      onKeyDown={(e) => {
        if (e.key === 'Enter') commit(text);
        if (e.key === 'Escape') e.currentTarget.blur();
      }}
      rightSection={
        text ? (
          <CloseButton
            size="sm" aria-label="Clear the search"
            onClick={() => {
              setText('');
              commit('');
            }}
          />
        ) : (
          <Kbd size="xs" className={classes.wide ?? ''}>
            /
          </Kbd>
        )
      }
    />
  );
}

function LiveToggle({ list }: { list: EventList }) {
  const { live, set } = usePreferences();
  const { stream, mayFollow } = list;
  const words = !mayFollow
    ? 'A fixed stretch of time does not update'
    : stream.state === 'broken'
      ? 'The live connection was refused; refresh to try again'
      : live
        ? 'New events appear by themselves (l)'
        : 'Live updates are off (l)';
  return (
    <Tooltip label={words}>
      <Button
        size="xs" variant={live && mayFollow ? 'light' : 'default'} color={stream.state === 'broken' ? 'ember' : 'pine'} aria-pressed={live} onClick={() => set({ live: !live })}
        leftSection={<IconLive size={15} className={live && stream.state === 'open' ? classes.pulse : undefined} />} data-disabled={!mayFollow || undefined}
      >
        {stream.state === 'broken' && live ? 'Not live' : 'Live'}
      </Button>
    </Tooltip>
  );
}
