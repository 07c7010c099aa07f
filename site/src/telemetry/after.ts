/**
 * The token of the reader's latest event: the next slate waits for it, so that the front page follows at once. It may
 * still be on its way when the front page opens; and other tabs know it, too.
 */
import { kept } from '../storage';

let pending: { userId: string; token: Promise<string | undefined> } | undefined;

/** How long the front page waits for the event's answer before it does without, in milliseconds. */
const PATIENCE_MS = 1500;

interface Known {
  userId: string;
  after: string;
}

/** The latest token of any tab; kept for one reader, since one reads at a time. */
export const AFTER_KEY = 'after';

export function follow(userId: string, token: Promise<string | undefined>): void {
  const known = token.catch(() => undefined);
  pending = { userId, token: known };
  void known.then((after) => after && kept.set(AFTER_KEY, { userId, after } satisfies Known));
}

export async function afterFor(userId: string): Promise<string | undefined> {
  const patience = new Promise<undefined>((done) => setTimeout(done, PATIENCE_MS));
  if (pending?.userId === userId) await Promise.race([pending.token, patience]);
  const known = kept.get<Known>(AFTER_KEY);
  return known?.userId === userId ? known.after : undefined;
}

export const forgetAfter = (): void => kept.remove(AFTER_KEY);
