import { Badge, Button, Text } from '@mantine/core';
import type { UseQueryResult } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { trouble } from '../api/problems';
import classes from './rows.module.css';
import { IconPlus } from './icons';
import { Failure, Loading } from './states';

/** What a list is about, above it, and what makes one more. */
export function ListHead({ lead, children }: { lead: ReactNode; children?: ReactNode }) {
  return (
    <div className={classes.head}>
      <p className={classes.lead}>{lead}</p>
      {children}
    </div>
  );
}

export function NewButton({ label, onClick }: { label: string; onClick: () => void }) {
  return (
    <Button size="xs" leftSection={<IconPlus size={15} />} onClick={onClick}>
      {label}
    </Button>
  );
}

/** The items that the server has as rows of a panel: while they come, when they do not, and when there are none. */
export function RowList<T>({ query, label, empty, children }: { query: UseQueryResult<{ items: T[] }>; label: string; empty?: ReactNode; children: (item: T) => ReactNode }) {
  const { data, error, isPending, refetch } = query;
  return (
    <>
      {error && !data && <Failure error={error} onRetry={() => void refetch()} />}
      {isPending && !error && <Loading />}
      {data && (
        <div className="panel">
          {data.items.length === 0 && empty}
          <ul className={classes.rows} aria-label={label}>
            {data.items.map(children)}
          </ul>
        </div>
      )}
    </>
  );
}

/** Small words beside each other, such as what a filter selects. */
export function Tags({ texts }: { texts: readonly string[] }) {
  return (
    <div className={classes.tags}>
      {texts.map((t) => (
        <Badge key={t} size="sm" color="gray">
          {t}
        </Badge>
      ))}
    </div>
  );
}

/** Something to do with the item of a row; its name tells the buttons of several rows apart. */
export function RowAction({ label, name, onClick, loading = false }: { label: string; name: string; onClick: () => void; loading?: boolean }) {
  return (
    <Button size="xs" variant="default" onClick={onClick} loading={loading} aria-label={`${label} ${name}`}>
      {label}
    </Button>
  );
}

/** Why what was done with an item did not work. */
export function RowProblem({ error }: { error: unknown }) {
  if (!error) return null;
  return (
    <Text mt={6} className={classes.failed ?? ''} role="alert">
      {trouble(error).title} {trouble(error).detail}
    </Text>
  );
}
