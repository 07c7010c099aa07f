import { useEffect, useState } from 'preact/hooks';

/** What the newsroom's clock is ahead of this machine's, in milliseconds, by the `Date` of its latest answer. */
let ahead: number | undefined;
const listeners = new Set<() => void>();

export function noteServerDate(date: string | null): void {
  const time = date ? Date.parse(date) : Number.NaN;
  if (Number.isNaN(time)) return;
  ahead = time - Date.now();
  for (const listener of listeners) listener();
}

/** Now, by the newsroom's clock; nothing before its first answer. */
export const serverTime = (): Date | undefined => (ahead === undefined ? undefined : new Date(Date.now() + ahead));

/** Now, by the newsroom's clock as far as it is known. */
export const paperTime = (): Date => serverTime() ?? new Date();

const paperDay = (): string => {
  const now = paperTime();
  return `${now.getFullYear()}-${String(now.getMonth() + 1).padStart(2, '0')}-${String(now.getDate()).padStart(2, '0')}T12:00:00`;
};

/** Noon of the day that the paper is of, where the reader is; it follows what the newsroom says. */
export function usePaperDay(): string {
  const [day, setDay] = useState(paperDay);
  useEffect(() => {
    const listener = (): void => setDay(paperDay());
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  return day;
}
