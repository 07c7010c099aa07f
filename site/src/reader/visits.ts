/**
 * When a reader was here last, told by what was then the newest article rather than by a clock: this machine's may be wrong,
 * and the newsroom's publication times are what "new" means.
 */
import { kept, visit } from '../storage';

const newestKey = (userId: string): string => `newest.${userId}`;
const sinceKey = (userId: string): string => `since.${userId}`;

/** The newest publication time of the visit before this one; nothing on a first visit. */
export function lastVisit(userId: string): string | undefined {
  const known = visit.get<{ since: string | null }>(sinceKey(userId));
  if (known) return known.since ?? undefined;
  const since = kept.get<string>(newestKey(userId));
  visit.set(sinceKey(userId), { since: since ?? null });
  return since;
}

/** Notes what is the newest now, for the next visit. */
export function noteVisit(userId: string, published: readonly string[]): void {
  // Fixed before it is overwritten.
  lastVisit(userId);
  const known = kept.get<string>(newestKey(userId));
  const newest = [...published, ...(known ? [known] : [])].reduce<string | undefined>(
    (latest, time) => (latest === undefined || Date.parse(time) > Date.parse(latest) ? time : latest),
    undefined,
  );
  if (newest) kept.set(newestKey(userId), newest);
}

export function forgetVisits(userId: string): void {
  kept.remove(newestKey(userId));
  visit.remove(sinceKey(userId));
}
