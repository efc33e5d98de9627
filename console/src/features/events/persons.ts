import type { EventView, Person } from '../../api/schemas';

/**
 * Names for handles that this page has come across, so that a filter chip can say "Ana Lima" although the URL says handle:123. Kept in
 * memory only: names belong neither in URLs nor in storage.
 */
const names = new Map<string, string>();

export function personLabel(p: { name: string; email?: string; id: string; handle: string }): string {
  return p.name || p.email || p.id || (p.handle ? `Person ${p.handle}` : 'Unknown');
}

export function rememberPerson(p: Person): void {
  for (const handle of [...handlesOf(p), handlesOf(p).join()]) names.set(handle, personLabel(p));
}

/** A person has one handle for each application that knows them under a namespace of its own. */
function handlesOf(p: { handle: string; handles?: string[] }): string[] {
  if (p.handles?.length) return p.handles;
  return p.handle ? [p.handle] : [];
}

export function rememberPersons(events: readonly EventView[]): void {
  for (const { actor, subject, resource } of events) {
    for (const p of [actor, subject, resource]) {
      if (p?.handle && !names.has(p.handle) && (p.name || p.id)) names.set(p.handle, personLabel(p));
    }
  }
  if (names.size > 20000) names.clear();
}

/** Words for a filter value such as handle:123. */
export function describePerson(value: string): string {
  if (!value.startsWith('handle:')) return value;
  const handle = value.slice('handle:'.length);
  return names.get(handle) ?? `Person ${handle}`;
}

/** What to filter by to find this person's events: the handle where there is one, so that no name goes into the URL. */
export function personFilter(p: { handle: string; handles?: string[]; id: string }): string {
  const handles = handlesOf(p);
  return handles.length > 0 ? `handle:${handles.join()}` : p.id;
}
