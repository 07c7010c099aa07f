import { useEffect, useState } from 'preact/hooks';
import { freshId, kept } from '../storage';

export interface Reader {
  userId: string;
  /** How the paper addresses the reader. */
  name: string;
}

const KEY = 'reader';
const GUEST_NAME = 'a guest';

function guest(): Reader {
  return { userId: `guest-${freshId().slice(0, 8)}`, name: GUEST_NAME };
}

function load(): Reader {
  const reader = kept.get<Reader>(KEY);
  if (reader && typeof reader.userId === 'string' && reader.userId !== '' && typeof reader.name === 'string') return reader;
  const newcomer = guest();
  kept.set(KEY, newcomer);
  return newcomer;
}

let current: Reader | undefined;
const listeners = new Set<(reader: Reader) => void>();

export function currentReader(): Reader {
  current ??= load();
  return current;
}

export function switchReader(reader: Reader): void {
  current = reader;
  kept.set(KEY, reader);
  for (const listener of listeners) listener(reader);
}

export const becomeGuest = (): void => switchReader(guest());

export function useReader(): Reader {
  const [reader, setReader] = useState(currentReader);
  useEffect(() => {
    listeners.add(setReader);
    return () => void listeners.delete(setReader);
  }, []);
  return reader;
}

/** The API refuses ids over 128 bytes. */
const ID_BYTES = 128;

/** The reader of a name that was typed in; nothing when no name is left of it. */
export function readerNamed(typed: string): Reader | undefined {
  const name = typed.replace(/\s+/g, ' ').trim();
  if (name === '' || new TextEncoder().encode(name).length > ID_BYTES) return undefined;
  return { userId: name, name };
}
