/** What the newsroom's clock is ahead of this machine's, in milliseconds, by the `Date` of its latest answer. */
let ahead: number | undefined;

export function noteServerDate(date: string | null): void {
  const time = date ? Date.parse(date) : Number.NaN;
  if (!Number.isNaN(time)) ahead = time - Date.now();
}

/** Now, by the newsroom's clock; nothing before its first answer. */
export const serverTime = (): Date | undefined => (ahead === undefined ? undefined : new Date(Date.now() + ahead));

/** Now, by the newsroom's clock as far as it is known. */
export const paperTime = (): Date => serverTime() ?? new Date();
