import { ApiError, newsroomAway, sendEvent } from '../api/client';
import type { ReadEvent } from '../api/types';
import { serverTime } from '../api/time';
import { kept } from '../storage';
import type { Courier } from './view';

/** The latest piece of each view that did not get through, under a key of its own, so that two tabs do not undo each other. */
const UNSENT = 'unsent.';
const UNSENT_VIEWS = 50;

interface Unsent {
  event: ReadEvent;
  /** When it was kept, in milliseconds of this machine's clock; only to drop the oldest. */
  kept: number;
}

const keyOf = (event: ReadEvent): string => `${UNSENT}${event.view_id}`;

function keep(event: ReadEvent): void {
  const known = kept.get<Unsent>(keyOf(event));
  if (known && known.event.seq > event.seq) return;
  // What is told late says when it happened, by the newsroom's clock: this machine's may be wrong.
  const timestamp = serverTime()?.toISOString();
  kept.set(keyOf(event), { event: timestamp ? { ...event, timestamp } : event, kept: Date.now() });
  const keys = kept.keys(UNSENT);
  if (keys.length <= UNSENT_VIEWS) return;
  const oldest = keys.sort((a, b) => (kept.get<Unsent>(a)?.kept ?? 0) - (kept.get<Unsent>(b)?.kept ?? 0));
  for (const key of oldest.slice(0, keys.length - UNSENT_VIEWS)) kept.remove(key);
}

/** A refusal stays one; what did not arrive, or met a newsroom in trouble, is worth another try. */
const worthAnotherTry = (error: unknown): boolean => error instanceof ApiError && error.passing;

async function post(event: ReadEvent): Promise<string | undefined> {
  try {
    const accepted = await sendEvent(event);
    // What was kept of this view before is told with it: totals only grow.
    const known = kept.get<Unsent>(keyOf(event));
    if (known && known.event.seq <= event.seq) kept.remove(keyOf(event));
    return accepted?.after;
  } catch (error) {
    if (worthAnotherTry(error)) keep(event);
    throw error;
  }
}

export const courier: Courier = {
  beacon(event) {
    // A beacon that does not arrive tells nobody; so where it would not, the piece is kept for later.
    if (!navigator.onLine || newsroomAway()) {
      keep(event);
      return true;
    }
    const body = new Blob([JSON.stringify(event)], { type: 'application/json' });
    return navigator.sendBeacon?.('/event', body) ?? false;
  },
  post,
};

async function sendAll(): Promise<void> {
  for (const key of kept.keys(UNSENT)) {
    const unsent = kept.get<Unsent>(key);
    if (!unsent) continue;
    try {
      await sendEvent(unsent.event);
    } catch (error) {
      if (worthAnotherTry(error)) return;
    }
    if (kept.get<Unsent>(key)?.event.seq === unsent.event.seq) kept.remove(key);
  }
}

/** Sends what is left over from before; one tab does it for all. */
export async function sendUnsent(): Promise<void> {
  if (!navigator.onLine || kept.keys(UNSENT).length === 0) return;
  if (navigator.locks) await navigator.locks.request('chronicle.unsent', { ifAvailable: true }, (lock) => (lock ? sendAll() : undefined));
  else await sendAll();
}

const RETRY_MS = 5_000;

/** Tries now, when the network is back, and now and then while something is left. */
export function startSending(): void {
  const send = (): void => void sendUnsent().catch(() => undefined);
  send();
  window.addEventListener('online', send);
  setInterval(send, RETRY_MS);
}

/** Forgets what a reader has not yet sent: "forget me" must not be undone by a late piece. */
export function dropUnsent(userId: string): void {
  for (const key of kept.keys(UNSENT)) if (kept.get<Unsent>(key)?.event.user_id === userId) kept.remove(key);
}
