import { Badge, Tooltip } from '@mantine/core';
import type { EventView } from '../api/schemas';
import { words } from '../ui/format';
import classes from './cells.module.css';

export type FieldState = 'masked' | 'withheld' | 'erased';

const colours: Record<string, string> = { masked: 'amber', withheld: 'gray', erased: 'ember' };

const explanation: Record<string, string> = {
  masked: 'Shown in part: your role sees this value masked. What is shown is the operator’s word, not proven.',
  withheld: 'Your role may not see this value. It is still committed to in the log.',
  erased: 'The value has been erased and cannot be recovered by anybody. Its commitment stays in the log.',
};

/** Says that a value is masked, withheld or erased. */
export function StateBadge({ state, of = '' }: { state: string; of?: string }) {
  return (
    <Tooltip label={explanation[state] ?? state} multiline w={260}>
      <Badge size="xs" color={colours[state] ?? 'gray'} className={classes.state ?? ''} tabIndex={0} component="span" role="img" aria-label={`${of ? `${of}: ` : ''}${state}. ${explanation[state] ?? ''}`}>
        {state}
      </Badge>
    </Tooltip>
  );
}

/** The state of the first of these fields that has one, or of anything above it. */
export function stateOf(view: EventView, ...paths: string[]): string | undefined {
  for (const p of paths) {
    for (let path = p; path !== ''; path = path.slice(0, path.lastIndexOf('/'))) {
      const s = view.fields_state[path];
      if (s) return s;
    }
  }
  return undefined;
}

/** A value in a cell, or what became of it. */
export function FieldText({ view, paths, text, dim, mono }: { view: EventView; paths: string[]; text: string; dim?: boolean; mono?: boolean }) {
  const state = stateOf(view, ...paths);
  const names = [dim ? classes.dim : '', mono ? 'mono' : ''].filter(Boolean).join(' ');
  if (!text && (state === 'withheld' || state === 'erased')) return <span className={classes.gone}>{state}</span>;
  return (
    <span className={names}>
      {text}
      {state === 'masked' && <span className={classes.masked} title="Masked for your role" aria-label="masked" role="img" />}
    </span>
  );
}

/** Success is quiet; what went wrong is not, and never by colour alone. */
export function Outcome({ status }: { status: string }) {
  return (
    <span className={classes.outcome} data-status={status}>
      <span aria-hidden="true">{status === 'success' ? '✓' : status === 'denied' ? '⊘' : status ? '✕' : ''}</span> {status}
    </span>
  );
}

export function Severity({ level }: { level: string }) {
  if (!level) return null;
  return (
    <span className={classes.severity} data-level={level}>
      {words(level)}
    </span>
  );
}
