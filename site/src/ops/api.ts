import { keyHeader } from './key';
import { words } from './text';
import type { Letter, Letters, LogLine, Machine, Machines, Slate } from './types';

/** An answer that is not a success, or none at all (`status` 0). */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
    this.name = 'Refused';
  }
}

/** How long an answer may take, in milliseconds; a promotion waits up to ten seconds for a namespace that is behind. */
const PATIENCE_MS = 20_000;

/** What a problem says, or the status where it says nothing. */
export async function refusal(answer: Response): Promise<Refused> {
  const problem = (await answer.json().catch(() => ({}))) as { detail?: string; title?: string };
  return new Refused(answer.status, problem.detail ?? problem.title ?? words.answered(answer.status));
}

async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const headers: Record<string, string> = keyHeader();
  if (body !== undefined) headers['content-type'] = 'application/json';
  let answer: Response;
  try {
    const init: RequestInit = { method, headers, signal: AbortSignal.timeout(PATIENCE_MS) };
    answer = await fetch(path, body === undefined ? init : { ...init, body: JSON.stringify(body) });
  } catch {
    throw new Refused(0, words.unreachable);
  }
  if (!answer.ok) throw await refusal(answer);
  const text = await answer.text();
  try {
    return (text === '' ? undefined : JSON.parse(text)) as T;
  } catch {
    throw new Refused(answer.status, words.notJson);
  }
}

const enc = encodeURIComponent;

export const logLines = (): Promise<{ lines: LogLine[] }> => call('GET', '/admin/log?limit=100');
export const deadLetters = (): Promise<Letters> => call('GET', '/admin/dead-letters?limit=50');
export const deadLetter = (id: string): Promise<Letter> => call('GET', `/admin/dead-letters/${enc(id)}`);
export const putBack = (which: { ids: string[] } | { all: true }): Promise<{ put_back: number; still_dead: number }> =>
  call('POST', '/admin/dead-letters/put-back', which);
export const promoteNamespace = (name: string): Promise<{ live: string; was: string }> =>
  call('POST', `/admin/namespaces/${enc(name)}/promote?wait_ms=10000`);
export const promoteModel = (name: string): Promise<{ name: string; version: string; note: string | null }> =>
  call('POST', `/admin/models/${enc(name)}/promote`);
export const setPaused = (paused: boolean): Promise<{ paused: boolean }> =>
  call('POST', `/admin/worker/${paused ? 'pause' : 'resume'}`);
export const activeReaders = (): Promise<{ user_id: string }[]> => call('GET', '/users/active?limit=20');
export const machines = (): Promise<Machines> => call('GET', '/admin/time-machine');
export const startMachine = (until: string): Promise<Machine> => call('POST', '/admin/time-machine', { until });
/** The slate of a time machine, or of now with the id `live`; neither is logged as an impression. */
export const slateOf = (userId: string, id: string): Promise<Slate> =>
  call('GET', `/admin/time-machine/slate?user_id=${enc(userId)}&k=10&id=${enc(id)}`);
