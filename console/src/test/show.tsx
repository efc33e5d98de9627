import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider, createMemoryHistory } from '@tanstack/react-router';
import { render } from '@testing-library/react';
import { vi } from 'vitest';
import { makeRouter } from '../routes/router';
import { PreferencesProvider } from '../ui/preferences';
import { theme } from '../ui/theme';

type Answer = [status: number, body: unknown, headers?: Record<string, string>];

/** Shows a page of the console whose server answers as told, by method and path. */
export function show(path: string, answers: Record<string, Answer>) {
  const asked: { key: string; body: unknown }[] = [];
  vi.stubGlobal('fetch', async (input: string, init: RequestInit = {}) => {
    const key = `${init.method ?? 'GET'} ${input.split('?')[0]}`;
    asked.push({ key, body: init.body ? JSON.parse(init.body as string) : undefined });
    const [status, body, headers] = answers[key] ?? [404, { title: 'Not Found', detail: `no answer for ${key}` }];
    return new Response(status === 204 ? null : JSON.stringify(body), { status, ...(headers ? { headers } : {}) });
  });
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const router = makeRouter(queries);
  router.update({ ...router.options, history: createMemoryHistory({ initialEntries: [path] }) } as never);
  render(
    <MantineProvider theme={theme} env="test">
      <PreferencesProvider>
        <QueryClientProvider client={queries}>
          <RouterProvider router={router} />
        </QueryClientProvider>
      </PreferencesProvider>
    </MantineProvider>,
  );
  return { asked, router };
}

export const session = (permissions: string[]) => ({
  user: { id: 'u1', email: 'ana@example.com', name: 'Ana Lima', role: 'admin', permissions }, tenant: { id: 't', name: 'Halden', operates: false }, tenants: [], csrf_token: 'c', expires_at: '',
});
export const problem = (status: number, title: string, detail: string) => ({ type: 'about:blank', title, status, detail, instance: 'req-77' });
