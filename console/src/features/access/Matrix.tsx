import { Button, Group } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Fragment, useState } from 'react';
import type { PermissionInfo, RoleInfo } from '../../api/schemas';
import { plural, words } from '../../ui/format';
import { Failure } from '../../ui/states';
import { useAct } from '../../ui/useAct';
import { useMay, useSession } from '../auth/session';
import classes from './access.module.css';
import { accessKey, changeRole, isFixed, permissionsQuery } from './api';

/** Permissions that somebody has ticked or cleared and not saved yet, by role. */
type Changes = Record<string, ReadonlySet<string>>;

/** What each role may do, to be changed cell by cell and saved at once. */
export function Matrix({ roles }: { roles: RoleInfo[] }) {
  const permissions = useQuery(permissionsQuery).data?.items ?? [];
  const mine = new Set(useSession()?.user.permissions);
  const manage = useMay('access.manage');
  const [changes, setChanges] = useState<Changes>({});
  const allowed = (r: RoleInfo, key: string) => r.permissions.includes(key) !== (changes[r.roleId]?.has(key) ?? false);
  const toggle = (r: RoleInfo, key: string) =>
    setChanges((old) => {
      const set = new Set(old[r.roleId]);
      if (!set.delete(key)) set.add(key);
      return { ...old, [r.roleId]: set };
    });
  const changed = roles.filter((r) => (changes[r.roleId]?.size ?? 0) > 0);
  const cells = changed.reduce((n, r) => n + (changes[r.roleId]?.size ?? 0), 0);
  const save = useAct(async () => {
    for (const r of changed) {
      await changeRole(r, { name: r.name, description: r.description, permissions: permissions.map((p) => p.key).filter((k) => allowed(r, k)) });
      setChanges((old) => ({ ...old, [r.roleId]: new Set() }));
    }
  }, accessKey);
  const domains = new Map<string, PermissionInfo[]>();
  for (const p of permissions) {
    const domain = p.key.slice(0, p.key.indexOf('.'));
    domains.set(domain, [...(domains.get(domain) ?? []), p]);
  }
  return (
    <section aria-labelledby="matrix-title">
      <h2 id="matrix-title">What each role may do</h2>
      <div className="panel">
        {/* A keyboard reaches what is beyond the edge by scrolling the region. */}
        <div className={classes.matrix} role="region" aria-label="Roles and permissions" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th scope="col">Permission</th>
                {roles.map((r) => (
                  <th key={r.roleId} scope="col">
                    {r.name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {[...domains].map(([domain, list]) => (
                <Fragment key={domain}>
                  <tr className={classes.domain ?? ''}>
                    <th scope="rowgroup">{words(domain)}</th>
                    <td colSpan={roles.length} />
                  </tr>
                  {list.map((p) => (
                    <tr key={p.key}>
                      <th scope="row">
                        <span className={classes.key}>{p.key}</span>
                        <span className={classes.about}>{p.description}</span>
                      </th>
                      {roles.map((r) => (
                        <td key={r.roleId} data-changed={changes[r.roleId]?.has(p.key) || undefined}>
                          <input
                            type="checkbox"
                            aria-label={`${r.name} may ${p.key}`}
                            checked={allowed(r, p.key)}
                            disabled={!manage || isFixed(r) || !mine.has(p.key)}
                            onChange={() => toggle(r, p.key)}
                          />
                        </td>
                      ))}
                    </tr>
                  ))}
                </Fragment>
              ))}
            </tbody>
          </table>
        </div>
        {save.error && <Failure error={save.error} />}
        <div className={classes.bar}>
          <span role="status">{cells > 0 ? `${plural(cells, 'change')} of ${plural(changed.length, 'role')}, not saved` : 'What you change here is saved by the button.'}</span>
          <Group gap="xs">
            <Button size="xs" variant="default" disabled={cells === 0} onClick={() => setChanges({})}>
              Undo changes
            </Button>
            <Button size="xs" disabled={cells === 0} loading={save.isPending} onClick={() => save.mutate()}>
              Save changes
            </Button>
          </Group>
        </div>
      </div>
    </section>
  );
}
