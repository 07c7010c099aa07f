import { sendEvent } from '../api/client';
import type { ReadEvent } from '../api/types';
import { kept } from '../storage';
import type { Courier } from './view';

/** Pieces that did not get through, the latest of each view; sent again when the paper is next opened or online. */
const UNSENT = 'unsent';
const UNSENT_VIEWS = 50;

function keep(event: ReadEvent): void {
  const others = (kept.get<ReadEvent[]>(UNSENT) ?? []).filter((other) => other.view_id !== event.view_id);
  kept.set(UNSENT, [...others, event].slice(-UNSENT_VIEWS));
}

async function post(event: ReadEvent): Promise<string | undefined> {
  try {
    return (await sendEvent(event))?.after;
  } catch (error) {
    // A refusal stays one; what did not arrive is worth another try. Its `seq` keeps it from counting twice.
    if ((error as { status?: number }).status === 0) keep(event);
    throw error;
  }
}

export const courier: Courier = {
  beacon(event) {
    const body = new Blob([JSON.stringify(event)], { type: 'application/json' });
    return navigator.sendBeacon?.('/event', body) ?? false;
  },
  post,
};

export function sendUnsent(): void {
  const events = kept.get<ReadEvent[]>(UNSENT) ?? [];
  if (events.length === 0 || !navigator.onLine) return;
  kept.remove(UNSENT);
  for (const event of events) post(event).catch(() => undefined);
}

/** Forgets what a reader has not yet sent: "forget me" must not be undone by a late piece. */
export function dropUnsent(userId: string): void {
  kept.set(UNSENT, (kept.get<ReadEvent[]>(UNSENT) ?? []).filter((event) => event.user_id !== userId));
}
