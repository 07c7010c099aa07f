/** The front page of a reader, asked for. */
import { recommend } from '../api/client';
import { afterFor } from '../telemetry/after';
import { deviceType } from './device';
import { rememberSlate } from './slates';
import type { Edition } from './slates';

const STORIES = 20;

/** What `askBefore` has asked and no page has taken yet. */
let before: { userId: string; asked: Promise<Edition> } | undefined;

/** A slate that counts in what the reader did last; it is the reader's latest edition from then on. */
export async function askFront(userId: string): Promise<Edition> {
  const taken = before?.userId === userId ? before.asked : undefined;
  before = undefined;
  if (taken) return taken;
  const after = await afterFor(userId);
  const asked = { user_id: userId, k: STORIES, device_type: deviceType(), explain: true };
  return rememberSlate(userId, await recommend({ ...asked, ...(after ? { after } : {}) }));
}

/** Asks for the front page that will be opened next, so that it has its stories when it opens. */
export function askBefore(userId: string): Promise<Edition> {
  const asked = askFront(userId);
  asked.catch(() => undefined);
  before = { userId, asked };
  return asked;
}
