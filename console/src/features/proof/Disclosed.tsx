import { Text } from '@mantine/core';
import { plural } from '../../ui/format';
import type { Mismatch } from '../../verify/compare';
import type { DisclosureResult } from '../../verify/fields';
import classes from './Proof.module.css';

/** Each value that is proven, each that is only claimed, and how much stays closed. */
export function Disclosed({ result, mismatches }: { result: DisclosureResult; mismatches: readonly Mismatch[] }) {
  const bad = new Map(mismatches.map((m) => [m.path, m]));
  return (
    <section>
      <h3 className={classes.heading}>Values that are proven</h3>
      <div className={classes.tableWrap} tabIndex={0} role="region" aria-label="Values that are proven">
        <table className={classes.table}>
          <thead>
            <tr>
              <th scope="col">Field</th>
              <th scope="col">Recorded value</th>
              <th scope="col">Group</th>
            </tr>
          </thead>
          <tbody>
            {result.fields.map((f) => (
              <tr key={f.path} data-bad={bad.has(f.path) || undefined}>
                <td className="mono">{f.path}</td>
                <td className="mono">
                  {f.value.length > 400 ? `${f.value.slice(0, 400)}…` : f.value}
                  {bad.has(f.path) && <div className={classes.bad}>this page shows {bad.get(f.path)?.shown}</div>}
                </td>
                <td>{f.slot === 0 ? 'tenant' : `personal ${f.slot}`}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {result.claims.length > 0 && (
        <Text size="sm" c="dimmed" mt="xs">
          Masked, and so the operator's word only: {result.claims.map((c) => c.path).join(', ')}.
        </Text>
      )}
      {result.hidden + result.withheldGroups + result.erasedGroups > 0 && (
        <Text size="sm" c="dimmed" mt="xs">
          Not opened to you: {[
            result.hidden && plural(result.hidden, 'single field'),
            result.withheldGroups && plural(result.withheldGroups, 'group of values', 'groups of values'),
            result.erasedGroups && plural(result.erasedGroups, 'erased group'),
          ].filter(Boolean).join(', ')}. Their commitments are part of the proof.
        </Text>
      )}
    </section>
  );
}
