import { queryOptions } from '@tanstack/react-query';
import { request } from '../../api/client';
import { exportSchema, exportsSchema } from '../../api/schemas';
import type { ExportJob } from '../../api/schemas';

export const formats = [
  { key: 'csv', label: 'CSV', about: 'For spreadsheets. One row per event; cells cannot run as formulas.' },
  { key: 'pdf', label: 'PDF report', about: 'To hand to an auditor: summary, chart, table, checkpoint and signature page.' },
  { key: 'json', label: 'JSON', about: 'One array of events.' },
  { key: 'ndjson', label: 'NDJSON', about: 'One event per line, for other programs.' },
  { key: 'parquet', label: 'Parquet', about: 'Columns, for analysis in DuckDB, Spark or pandas.' },
  { key: 'ocsf', label: 'OCSF', about: 'Open Cybersecurity Schema, one event per line, for a SIEM.' },
  { key: 'bundle', label: 'Proof bundle', about: 'Events with their proofs, to be verified offline without trusting this server.' },
] as const;

export type Format = (typeof formats)[number]['key'];

export function formatLabel(key: string): string {
  return formats.find((f) => f.key === key)?.label ?? key;
}

export function isRunning(job: Pick<ExportJob, 'status'>): boolean {
  return job.status === 'queued' || job.status === 'running';
}

/** The list asks again every second while something runs. */
export const exportsQuery = queryOptions({
  queryKey: ['exports'],
  queryFn: ({ signal }) => request('GET', '/api/exports', { schema: exportsSchema, signal }),
  refetchInterval: (q) => (q.state.data?.items.some(isRunning) ? 1000 : false),
  staleTime: 0,
});

export interface ExportRequest {
  format: Format;
  title?: string;
  proof?: 'range' | 'inclusion';
  filter: Record<string, unknown>;
}

export function startExport(body: ExportRequest) {
  return request('POST', '/api/exports', { body, schema: exportSchema });
}

export function cancelExport(id: string) {
  return request('DELETE', `/api/exports/${encodeURIComponent(id)}`);
}

/** Where the file is: the server's word when it is a path of its own, else the usual place. */
export function downloadUrl(job: ExportJob): string {
  return /^\/(?![/\\])/.test(job.download_url) ? job.download_url : `/api/exports/${encodeURIComponent(job.id)}/file`;
}
