import { Badge, Group, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { Num } from '../../api/json';
import type { Change, EventView } from '../../api/schemas';
import { StateBadge, stateOf } from '../../table/cells';
import { sameJSON } from '../../verify/compare';
import { deltaOf, diffLeaves, diffText, kindOf } from './diff';
import type { Kind, Piece } from './diff';
import classes from './Changes.module.css';

/** What the event changed: each field before and after, side by side, by the kind of its value. */
export function Changes({ view }: { view: EventView }) {
  const whole = view.fields_state['/changes'];
  if (whole) {
    return (
      <Group gap="xs">
        <Text size="sm">All changes of this event are</Text> <StateBadge state={whole} />
      </Group>
    );
  }
  return (
    <div className={classes.list}>
      {view.changes.map((change, i) => (
        <ChangeRow key={i} change={change} view={view} at={`/changes/${i}`} />
      ))}
    </div>
  );
}

function ChangeRow({ change, view, at }: { change: Change; view: EventView; at: string }) {
  const gone = view.fields_state[at];
  if (gone || !change.path) {
    return (
      <div className={classes.change}>
        <div className={classes.path}>
          <span className="mono">{change.path || 'A change'}</span> <StateBadge state={gone ?? 'withheld'} />
        </div>
      </div>
    );
  }
  const before = kindOf(change.before, change.hasBefore);
  const after = kindOf(change.after, change.hasAfter);
  const states = [stateOf(view, `${at}/before`), stateOf(view, `${at}/after`)];
  const plain = !states[0] && !states[1];
  const delta = plain && before === 'number' && after === 'number' ? deltaOf(change.before, change.after) : '';
  const same = plain && before !== 'absent' && before === after && sameJSON(change.before, change.after);
  const retyped = plain && before !== after && ![before, after].some((k) => k === 'absent' || k === 'null');
  return (
    <div className={classes.change}>
      <div className={classes.path}>
        <span className="mono">{change.path}</span>
        {change.op !== 'replace' && <Badge size="xs" color="gray">{change.op}</Badge>}
        {delta && <span className={classes.delta}>{delta}</span>}
        {same && <span className={classes.delta}>the same value</span>}
        {retyped && (
          <span className={classes.delta}>
            {before} became {after}
          </span>
        )}
      </div>
      {plain && isNested(before) && isNested(after) ? (
        <Nested before={change.before} after={change.after} />
      ) : (
        <div className={classes.sides}>
          <Side which="before" state={states[0]} kind={before}>
            <Value value={change.before} other={change.after} kind={before} otherKind={after} side="before" />
          </Side>
          <Side which="after" state={states[1]} kind={after}>
            <Value value={change.after} other={change.before} kind={after} otherKind={before} side="after" />
          </Side>
        </div>
      )}
    </div>
  );
}

const isNested = (k: Kind): boolean => k === 'object' || k === 'list';

function Side({ which, state, kind, children }: { which: 'before' | 'after'; state: string | undefined; kind: Kind; children: ReactNode }) {
  const hidden = state === 'withheld' || state === 'erased';
  return (
    <div className={classes.side} data-which={hidden || kind === 'absent' ? 'none' : which}>
      <span className={classes.which}>{which === 'before' ? 'Before' : 'After'}</span>
      <div className={classes.value}>
        {!hidden && children} {state && <StateBadge state={state} />}
      </div>
    </div>
  );
}

function Value({ value, other, kind, otherKind, side }: { value: unknown; other: unknown; kind: Kind; otherKind: Kind; side: 'before' | 'after' }) {
  switch (kind) {
    case 'absent':
      return <em className={classes.void}>{side === 'before' ? 'was not there' : 'removed'}</em>;
    case 'null':
      return <em className={classes.void}>null</em>;
    case 'text': {
      const text = value as string;
      if (text === '') return <em className={classes.void}>empty text</em>;
      if (otherKind !== 'text') return <span>{text}</span>;
      const pieces = side === 'before' ? diffText(text, other as string).before : diffText(other as string, text).after;
      return <Pieces pieces={pieces} />;
    }
    case 'number':
      return <span className="mono">{value instanceof Num ? value.source : String(value)}</span>;
    case 'boolean':
      return <span className="mono">{String(value)}</span>;
    default: {
      const { lines } = diffLeaves(value, undefined);
      return (
        <ul className={classes.leaves}>
          {lines.filter((l) => l.before !== null && l.path !== '').map((l) => (
            <li key={l.path}>
              <span className={classes.leafPath}>{l.path}</span> <span className="mono">{l.before}</span>
            </li>
          ))}
          {lines.filter((l) => l.before !== null && l.path === '').map((l) => (
            <li key="root" className="mono">{l.before}</li>
          ))}
        </ul>
      );
    }
  }
}

function Pieces({ pieces }: { pieces: Piece[] }) {
  return (
    <span>
      {pieces.map((p, i) => (p.changed ? <mark key={i} className={classes.mark}>{p.text}</mark> : <span key={i}>{p.text}</span>))}
    </span>
  );
}

/** Two objects or lists: only the leaves in which they differ. */
function Nested({ before, after }: { before: unknown; after: unknown }) {
  const { lines, same } = diffLeaves(before, after);
  return (
    <div>
      {lines.map((l) => (
        <div key={l.path} className={classes.nested}>
          <span className={classes.leafPath}>{l.path || 'value'}</span>
          <div className={classes.sides}>
            <div className={classes.side} data-which={l.before === null ? 'none' : 'before'}>
              <span className={classes.which}>Before</span>
              <div className={classes.value}>{l.before === null ? <em className={classes.void}>was not there</em> : <span className="mono">{l.before}</span>}</div>
            </div>
            <div className={classes.side} data-which={l.after === null ? 'none' : 'after'}>
              <span className={classes.which}>After</span>
              <div className={classes.value}>{l.after === null ? <em className={classes.void}>removed</em> : <span className="mono">{l.after}</span>}</div>
            </div>
          </div>
        </div>
      ))}
      {same > 0 && (
        <Text size="xs" c="dimmed" px={10} py={6}>
          {same} more inside {same === 1 ? 'is' : 'are'} unchanged
        </Text>
      )}
    </div>
  );
}
