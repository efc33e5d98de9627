import { createContext, useCallback, useContext, useMemo, useState } from 'react';
import type { ReactNode } from 'react';
import { browserZone, knownZone } from './format';

/** What a reader has set for this browser. It holds no personal values: column names, a density, a zone. */
export interface Preferences {
  density: 'comfortable' | 'compact';
  /** IANA name of the zone in which times are shown. */
  zone: string;
  columns: string[] | null;
  live: boolean;
  histogram: boolean;
}

interface Store extends Preferences {
  set: (change: Partial<Preferences>) => void;
}

const storageKey = 'probity.preferences';

function initial(): Preferences {
  const fallback: Preferences = { density: 'comfortable', zone: browserZone(), columns: null, live: true, histogram: true };
  try {
    const kept = JSON.parse(localStorage.getItem(storageKey) ?? '{}') as Partial<Preferences>;
    const merged = { ...fallback, ...kept };
    return { ...merged, zone: knownZone(merged.zone) ? merged.zone : fallback.zone, columns: Array.isArray(merged.columns) ? merged.columns : null };
  } catch {
    return fallback; // storage is off, or holds something else
  }
}

const Context = createContext<Store | null>(null);

export function PreferencesProvider({ children }: { children: ReactNode }) {
  const [value, setValue] = useState(initial);
  const set = useCallback((change: Partial<Preferences>) => {
    setValue((old) => {
      const next = { ...old, ...change };
      try {
        localStorage.setItem(storageKey, JSON.stringify(next));
      } catch {
        // kept for this visit only
      }
      return next;
    });
  }, []);
  const store = useMemo(() => ({ ...value, set }), [value, set]);
  return <Context.Provider value={store}>{children}</Context.Provider>;
}

export function usePreferences(): Store {
  const store = useContext(Context);
  if (!store) throw new Error('usePreferences outside its provider');
  return store;
}
