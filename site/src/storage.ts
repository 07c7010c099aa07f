/** Web storage that may be off or full: reading gives `undefined` then, and writing does nothing. */
function box(which: 'localStorage' | 'sessionStorage') {
  return {
    get<T>(key: string): T | undefined {
      try {
        const text = window[which].getItem(`chronicle.${key}`);
        return text === null ? undefined : (JSON.parse(text) as T);
      } catch {
        return undefined;
      }
    },
    set(key: string, value: unknown): void {
      try {
        window[which].setItem(`chronicle.${key}`, JSON.stringify(value));
      } catch {
        // A reader without storage still has a paper; only the name is not kept.
      }
    },
    remove(key: string): void {
      try {
        window[which].removeItem(`chronicle.${key}`);
      } catch {
        // As above.
      }
    },
  };
}

export const kept = box('localStorage');
export const visit = box('sessionStorage');

/** An id that need not be secret, only unlikely to be met twice. */
export function freshId(): string {
  // `randomUUID` is missing where the page is not served over TLS or from this machine.
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
