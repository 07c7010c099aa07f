import { useEffect, useState } from 'preact/hooks';

export type Route =
  | { page: 'front' }
  | { page: 'article'; id: number }
  | { page: 'account' }
  | { page: 'missing' };

/** The page that a path names. */
export function routeOf(path: string): Route {
  if (path === '/') return { page: 'front' };
  if (/^\/account\/?$/.test(path)) return { page: 'account' };
  const article = /^\/article\/(\d{1,15})\/?$/.exec(path);
  if (article?.[1]) return { page: 'article', id: Number(article[1]) };
  return { page: 'missing' };
}

export const articlePath = (id: number): string => `/article/${id}`;

type Listener = () => void;
const listeners = new Set<Listener>();

/** Scroll positions of this visit's history entries, so that "back" lands where one was. */
const positions = new Map<string, number>();
const entryKey = (): string => (history.state as { key?: string } | null)?.key ?? 'first';
let arrival: number | undefined;

function announce(): void {
  for (const listener of listeners) listener();
}

export function navigate(path: string): void {
  if (path === location.pathname) {
    window.scrollTo({ top: 0 });
    return;
  }
  positions.set(entryKey(), window.scrollY);
  history.pushState({ key: `${Date.now()}-${positions.size}` }, '', path);
  arrival = 0;
  announce();
}

/** Called by a page once it has its height: scrolls to where this history entry was left, once. */
export function settleScroll(): void {
  if (arrival === undefined) return;
  window.scrollTo({ top: arrival });
  arrival = undefined;
}

/** True for a click that the browser should handle itself: new tab, download, other button. */
export function isPlainClick(event: MouseEvent): boolean {
  return event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey && !event.defaultPrevented;
}

function onClick(event: MouseEvent): void {
  if (!isPlainClick(event)) return;
  const link = (event.target as Element | null)?.closest?.('a');
  if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
  if (link.hash) {
    // Within the page: no history entry, since "back" should lead to the page before.
    event.preventDefault();
    const target = document.getElementById(link.hash.slice(1));
    target?.scrollIntoView();
    target?.focus({ preventScroll: true });
    return;
  }
  if (routeOf(link.pathname).page === 'missing') return;
  event.preventDefault();
  navigate(link.pathname);
}

export function startRouter(): void {
  history.scrollRestoration = 'manual';
  document.addEventListener('click', onClick);
  window.addEventListener('scroll', () => positions.set(entryKey(), window.scrollY), { passive: true });
  window.addEventListener('popstate', () => {
    arrival = positions.get(entryKey()) ?? 0;
    announce();
  });
}

export function usePath(): string {
  const [path, setPath] = useState(location.pathname);
  useEffect(() => {
    const listener = (): void => setPath(location.pathname);
    listeners.add(listener);
    listener();
    return () => void listeners.delete(listener);
  }, []);
  return path;
}
