import { useEffect, useState } from 'preact/hooks';

export type Route =
  | { page: 'front' }
  | { page: 'article'; id: number }
  | { page: 'section'; name: string }
  | { page: 'search'; typed: string }
  | { page: 'account' }
  | { page: 'side' }
  | { page: 'missing' };

/** The page that an address (path, and query if any) names. */
export function routeOf(address: string): Route {
  const [path = '', query = ''] = address.split('?', 2);
  if (path === '/') return { page: 'front' };
  if (/^\/account\/?$/.test(path)) return { page: 'account' };
  if (/^\/side-by-side\/?$/.test(path)) return { page: 'side' };
  if (/^\/search\/?$/.test(path)) return { page: 'search', typed: new URLSearchParams(query).get('q')?.trim() ?? '' };
  const article = /^\/article\/(\d{1,15})\/?$/.exec(path);
  if (article?.[1]) return { page: 'article', id: Number(article[1]) };
  const section = /^\/section\/([^/]+)\/?$/.exec(path);
  const name = section?.[1] && decoded(section[1]);
  return name ? { page: 'section', name } : { page: 'missing' };
}

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

export const articlePath = (id: number): string => `/article/${id}`;
export const sectionPath = (name: string): string => `/section/${encodeURIComponent(name)}`;
export const searchPath = (typed: string): string => `/search${typed ? `?q=${encodeURIComponent(typed)}` : ''}`;

type Listener = () => void;
const listeners = new Set<Listener>();

/** Scroll positions of this visit's history entries, so that "back" lands where one was. */
const positions = new Map<string, number>();
const entryKey = (): string => (history.state as { key?: string } | null)?.key ?? 'first';
let arrival: number | undefined;

const address = (): string => location.pathname + location.search;

function announce(): void {
  for (const listener of listeners) listener();
}

export function navigate(to: string): void {
  if (to === address()) {
    window.scrollTo({ top: 0 });
    return;
  }
  positions.set(entryKey(), window.scrollY);
  history.pushState({ key: `${Date.now()}-${positions.size}` }, '', to);
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
  navigate(link.pathname + link.search);
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

/** The address of the page that is open, path and query. */
export function useAddress(): string {
  const [open, setOpen] = useState(address);
  useEffect(() => {
    const listener = (): void => setOpen(address());
    listeners.add(listener);
    listener();
    return () => void listeners.delete(listener);
  }, []);
  return open;
}
