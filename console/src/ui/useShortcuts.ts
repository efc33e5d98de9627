import { useEffect, useRef } from 'react';

export type Shortcuts = Record<string, (event: KeyboardEvent) => void>;

/** Where typing belongs to somebody else. */
function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

/** Whether something is open on top that has keys of its own. */
function isCovered(): boolean {
  return document.querySelector('[role="dialog"][aria-modal="true"], .mantine-Popover-dropdown, [role="menu"], [role="listbox"]') !== null;
}

/** Binds single keys for a page. They rest while someone types, holds a modifier, or has a dialog open. */
export function useShortcuts(shortcuts: Shortcuts): void {
  const current = useRef(shortcuts);
  useEffect(() => {
    current.current = shortcuts;
  });
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || isCovered()) return;
      const run = current.current[event.key];
      if (!run) return;
      // Enter on a focused button or link is the button's own.
      if (event.key === 'Enter' && event.target instanceof HTMLElement && event.target.closest('button, a, [role="slider"], summary, [role="tab"]')) return;
      if (/^Arrow/.test(event.key) && event.target instanceof HTMLElement && event.target.closest('[role="slider"], [role="tab"], [role="radiogroup"]')) return;
      event.preventDefault();
      run(event);
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, []);
}
