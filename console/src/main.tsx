import '@mantine/core/styles.layer.css';
import '@mantine/notifications/styles.layer.css';
import './ui/fonts.css';
import './ui/base.css';
import { MantineProvider } from '@mantine/core';
import { Notifications } from '@mantine/notifications';
import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { setNonce } from 'get-nonce';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { ApiError, setSignedOutHandler } from './api/client';
import { sessionQuery } from './features/auth/session';
import { makeRouter } from './routes/router';
import { PreferencesProvider } from './ui/preferences';
import { resolver, theme } from './ui/theme';

// Style elements that the component library adds carry the page's nonce; the content security policy refuses others.
const nonce = document.querySelector('meta[name="csp-nonce"]')?.getAttribute('content') ?? '';
setNonce(nonce);

// A server that refuses for the moment may have a reason that every page should show; the session has it.
const onError = (error: unknown) => {
  if (error instanceof ApiError && error.status === 503) void queries.invalidateQueries({ queryKey: sessionQuery.queryKey });
};
const queries: QueryClient = new QueryClient({
  queryCache: new QueryCache({ onError: (error, query) => query.queryKey[0] !== 'session' && onError(error) }),
  mutationCache: new MutationCache({ onError }),
  defaultOptions: {
    queries: {
      staleTime: 15e3,
      refetchOnWindowFocus: false,
      // What the server refused will be refused again; what failed on the way or for the moment may not.
      retry: (count, error) => count < 2 && error instanceof ApiError && (error.status === 0 || error.status === 502 || error.status === 503),
    },
  },
});
const router = makeRouter(queries);

setSignedOutHandler(() => {
  if (queries.getQueryData(sessionQuery.queryKey) === null) return;
  queries.clear();
  queries.setQueryData(sessionQuery.queryKey, null);
  void router.invalidate();
});

const element = document.getElementById('root');
if (element) {
  createRoot(element).render(
    <StrictMode>
      <MantineProvider theme={theme} cssVariablesResolver={resolver} defaultColorScheme="auto" getStyleNonce={() => nonce}>
        <PreferencesProvider>
          <QueryClientProvider client={queries}>
            <Notifications position="bottom-right" limit={4} />
            <RouterProvider router={router} />
          </QueryClientProvider>
        </PreferencesProvider>
      </MantineProvider>
    </StrictMode>,
  );
}
