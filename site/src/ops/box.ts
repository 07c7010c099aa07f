import { useEffect, useState } from 'preact/hooks';

/** A value outside all components, and a hook that draws a component again when it is another. */
export function signalBox<T>(first: T) {
  let value = first;
  const watchers = new Set<(value: T) => void>();
  return {
    get: (): T => value,
    set(next: T): void {
      value = next;
      for (const watcher of watchers) watcher(next);
    },
    use(): T {
      const [shown, show] = useState({ value });
      useEffect(() => {
        const watcher = (next: T): void => show({ value: next });
        watchers.add(watcher);
        watcher(value);
        return () => void watchers.delete(watcher);
      }, []);
      return shown.value;
    },
  };
}
