/** The admin key: in memory, and in the tab's storage where there is one. Never in an address, never kept after the tab. */

const NAME = 'abovefold.admin-key';
let key = stored();

function stored(): string | undefined {
  try {
    return sessionStorage.getItem(NAME) ?? undefined;
  } catch {
    return undefined;
  }
}

export const hasKey = (): boolean => key !== undefined;

/** Keeps a key; none forgets the one that there was. */
export function setKey(next: string | undefined): void {
  key = next;
  try {
    if (next === undefined) sessionStorage.removeItem(NAME);
    else sessionStorage.setItem(NAME, next);
  } catch {
    // Storage is off: the key lasts as long as the page.
  }
}

export const keyHeader = (): Record<string, string> => (key === undefined ? {} : { authorization: `Bearer ${key}` });
