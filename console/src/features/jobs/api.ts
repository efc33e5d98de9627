import { infiniteQueryOptions } from '@tanstack/react-query';
import { request } from '../../api/client';
import { jobSchema, jobsSchema } from '../../api/schemas';
import type { Job } from '../../api/schemas';

export const jobStates = ['running', 'queued', 'scheduled', 'retrying', 'dead', 'cancelled', 'done'] as const;
export type JobState = (typeof jobStates)[number];

export const stateWords: Record<JobState, string> = {
  running: 'Running', queued: 'Waiting for their turn', scheduled: 'Due later', retrying: 'Failed, will be tried again', dead: 'Dead letters', cancelled: 'Cancelled', done: 'Done',
};

const kinds: Record<string, string> = { 'export.write': 'Export', 'link.mail': 'E-mail with a link', 'schedule.run': 'Scheduled export', verification: 'Verification of the log' };

/** What a job does, in words; a kind that this console does not know is named as it is. */
export function kindLabel(kind: string): string {
  return kinds[kind] ?? kind;
}

export function hasEnded(job: Pick<Job, 'state'>): boolean {
  return job.state === 'done' || job.state === 'cancelled' || job.state === 'dead';
}

/** The list asks again every second while something runs or waits, and every ten seconds otherwise. */
export const jobsQuery = (state: JobState | undefined) =>
  infiniteQueryOptions({
    queryKey: ['jobs', state ?? ''],
    queryFn: ({ signal, pageParam }) => {
      const params = new URLSearchParams({ limit: '50' });
      if (state) params.set('state', state);
      if (pageParam) params.set('cursor', pageParam);
      return request('GET', `/api/jobs?${params}`, { schema: jobsSchema, signal });
    },
    initialPageParam: '',
    getNextPageParam: (last) => last.next_cursor || undefined,
    refetchInterval: (q) => (q.state.data?.pages.some((p) => p.items.some((j) => !hasEnded(j))) ? 1000 : 10_000),
    staleTime: 0,
  });

export type JobAction = 'cancel' | 'retry' | 'delete';

export function act(id: number, action: JobAction): Promise<unknown> {
  if (action === 'delete') return request('DELETE', `/api/jobs/${id}`);
  return request('POST', `/api/jobs/${id}/${action}`, { schema: jobSchema });
}
