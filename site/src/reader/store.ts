import { useEffect, useState } from 'preact/hooks';
import { closeSession, openSession, session } from '../api/client';
import type { Session } from '../api/types';
import { freshId, kept, onOtherTab } from '../storage';
import type { Words } from '../text/en';

export interface Reader {
  userId: string;
  /** How the paper addresses the reader; empty for a guest. */
  name: string;
}

/** How a reader is called: generated ones have numbers for names. */
export const nameOf = ({ name }: Reader, words: Words): string =>
  /^\d+$/.test(name) ? words.reader.name(name) : name || words.paper.guest;

const KEY = 'reader';

const guest = (): Reader => ({ userId: `guest-${freshId().slice(0, 8)}`, name: '' });
const named = (userId: string): Reader => ({ userId, name: userId });
const isGuest = (reader: Reader): boolean => reader.name === '';

function load(): Reader | undefined {
  const reader = kept.get<Reader>(KEY);
  return reader && typeof reader.userId === 'string' && reader.userId !== '' && typeof reader.name === 'string' ? reader : undefined;
}

let current: Reader | undefined;
let signedIn: Session | undefined;
const listeners = new Set<() => void>();

function become(reader: Reader): void {
  current = reader;
  kept.set(KEY, reader);
  announce();
}

function announce(): void {
  for (const listener of listeners) listener();
}

export function currentReader(): Reader {
  current ??= load();
  if (!current) become(guest());
  return current as Reader;
}

/** How long a browser that keeps no name waits to hear who is signed in, in milliseconds. */
const PATIENCE_MS = 800;

/**
 * Finds out who reads: the name that this browser keeps, or the session's, or a new guest. Where anybody may take a name, a session that
 * names somebody else is believed only where no name is kept, since what is shown must be what the reader chose last; where keys are
 * configured, it alone counts, since nobody else's page may be asked for.
 */
export async function startReader(): Promise<void> {
  onOtherTab(KEY, () => {
    current = load() ?? current;
    announce();
  });
  const asked = session().then((answer) => {
    signedIn = answer;
    if (!answer.open && answer.user_id && answer.user_id !== load()?.userId) become(named(answer.user_id));
    announce();
    return answer;
  });
  asked.catch(() => undefined);
  if (load()) return;
  const patience = new Promise<undefined>((done) => setTimeout(done, PATIENCE_MS));
  const answer = await Promise.race([asked, patience]).catch(() => undefined);
  if (answer?.user_id) become(named(answer.user_id));
}

/** Takes a reader's name, with a session of its own; a guest has none. Fails where the newsroom refuses the session. */
export async function switchReader(reader: Reader): Promise<void> {
  if (isGuest(reader)) {
    become(reader);
    await closeSession();
    signedIn = signedIn && { ...signedIn, user_id: null, expires: null };
  } else {
    signedIn = await openSession(reader.userId);
    become(reader);
  }
  announce();
}

export const becomeGuest = (): Promise<void> => switchReader(guest());

function useStore<T>(now: () => T): T {
  const [value, setValue] = useState(now);
  useEffect(() => {
    const listener = (): void => setValue(now);
    listeners.add(listener);
    listener();
    return () => void listeners.delete(listener);
  }, []);
  return value;
}

export const useReader = (): Reader => useStore(currentReader);

/** What the newsroom says of this browser's session; nothing before it has answered. */
export const useSession = (): Session | undefined => useStore(() => signedIn);

/** The API refuses ids over 128 bytes. */
const ID_BYTES = 128;

/** The reader of a name that was typed in; nothing when no name is left of it. */
export function readerNamed(typed: string): Reader | undefined {
  const name = typed.replace(/\s+/g, ' ').trim();
  if (name === '' || new TextEncoder().encode(name).length > ID_BYTES) return undefined;
  return { userId: name, name };
}
