/**
 * Web storage that may be off or full. What it refuses is held in memory, so that a visit without storage works as one
 * with it does, and only ends with the page.
 */
function box(which: 'localStorage' | 'sessionStorage') {
  const refused = new Map<string, string>();
  return {
    get<T>(key: string): T | undefined {
      try {
        const text = refused.get(key) ?? window[which].getItem(`chronicle.${key}`);
        return text === null ? undefined : (JSON.parse(text) as T);
      } catch {
        return undefined;
      }
    },
    set(key: string, value: unknown): void {
      const text = JSON.stringify(value);
      try {
        window[which].setItem(`chronicle.${key}`, text);
        refused.delete(key);
      } catch {
        refused.set(key, text);
      }
    },
    remove(key: string): void {
      refused.delete(key);
      try {
        window[which].removeItem(`chronicle.${key}`);
      } catch {
        // Nothing of it is there then.
      }
    },
    /** The keys that begin with `prefix`. */
    keys(prefix: string): string[] {
      const whole = `chronicle.${prefix}`;
      let stored: string[] = [];
      try {
        stored = Object.keys(window[which]).filter((key) => key.startsWith(whole));
      } catch {
        // Storage is off.
      }
      const names = stored.map((key) => key.slice('chronicle.'.length));
      return [...new Set([...names, ...[...refused.keys()].filter((key) => key.startsWith(prefix))])];
    },
  };
}

export const kept = box('localStorage');
export const visit = box('sessionStorage');

/** Calls `changed` when another tab of the paper writes `key`; the answer ends that. */
export function onOtherTab(key: string, changed: () => void): () => void {
  const listener = (event: StorageEvent): void => {
    if (event.key === `chronicle.${key}`) changed();
  };
  window.addEventListener('storage', listener);
  return () => window.removeEventListener('storage', listener);
}

/** An id that need not be secret, only unlikely to be met twice. */
export function freshId(): string {
  // `randomUUID` is missing where the page is not served over TLS or from this machine.
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
