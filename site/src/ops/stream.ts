import { refusal } from './api';
import { keyHeader } from './key';
import { EventParser } from './sse';
import { words } from './text';

export interface Follower {
  event(name: string, data: string): void;
  /** The stream ended or could not be opened; it is tried again in so many milliseconds. */
  lost(why: string, againInMs: number): void;
  /** A key is asked for, or another one (`refused`). Nothing is tried again by itself. */
  locked(refused: boolean): void;
}

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

/** A stream that says nothing for so long is given up. */
const SILENCE_MS = 20_000;

/** How long to wait before the next try: twice as long each time, and not all pages at once. `dice` is in [0, 1). */
export function backoff(failures: number, dice: number): number {
  const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(failures, 10));
  return Math.round(longest * (0.5 + dice / 2));
}

/** Follows the live stream until the function that it gives is called. */
export function follow(everyMs: number, follower: Follower): () => void {
  let failures = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let connection = new AbortController();
  let stopped = false;

  const again = (why: string): void => {
    if (stopped) return;
    const wait = backoff(failures, Math.random());
    failures += 1;
    follower.lost(why, wait);
    timer = setTimeout(() => void connect(), wait);
  };

  async function connect(): Promise<void> {
    connection = new AbortController();
    const { signal } = connection;
    let silence: ReturnType<typeof setTimeout> | undefined;
    const heard = (): void => {
      clearTimeout(silence);
      silence = setTimeout(() => connection.abort(), SILENCE_MS);
    };
    let why: string = words.ended;
    try {
      heard();
      const answer = await fetch(`/admin/live?every_ms=${everyMs}`, { headers: keyHeader(), signal });
      if (answer.status === 401 || answer.status === 403) {
        if (!stopped) follower.locked(answer.status === 403 || 'authorization' in keyHeader());
        connection.abort();
        return;
      }
      if (!answer.ok || !answer.body) throw await refusal(answer);
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      const parser = new EventParser();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        heard();
        for (const event of parser.push(value)) {
          failures = 0;
          if (!stopped) follower.event(event.name, event.data);
        }
      }
    } catch (error) {
      // The browser's own words for a network that failed say nothing.
      why = error instanceof Error && error.name === 'Refused' ? error.message : words.unreachable;
    } finally {
      clearTimeout(silence);
    }
    connection.abort();
    again(why);
  }

  void connect();
  return () => {
    stopped = true;
    clearTimeout(timer);
    connection.abort();
  };
}
