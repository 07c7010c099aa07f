import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { setKey } from './key';
import { backoff, follow } from './stream';

const heard: string[] = [];
const follower = {
  event: (name: string, data: string) => void heard.push(`${name} ${data}`),
  lost: (why: string, againInMs: number) => void heard.push(`lost: ${why}, again in ${againInMs}`),
  locked: (refused: boolean) => void heard.push(`locked${refused ? ', refused' : ''}`),
};

/** An answer that sends these pieces and ends. */
const stream = (...pieces: string[]): Response =>
  new Response(
    new ReadableStream({
      start(control) {
        for (const piece of pieces) control.enqueue(new TextEncoder().encode(piece));
        control.close();
      },
    }),
  );

const answers = vi.fn<(path: string, init: RequestInit) => Promise<Response>>();

beforeEach(() => {
  heard.length = 0;
  answers.mockReset();
  vi.stubGlobal('fetch', answers);
  vi.spyOn(Math, 'random').mockReturnValue(0);
});

afterEach(() => {
  setKey(undefined);
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

test('events are told as they come, and a stream that ends is opened again', async () => {
  answers.mockResolvedValueOnce(stream('event: history\nda', 'ta: {}\n\n')).mockResolvedValueOnce(stream('event: snapshot\ndata: 1\n\n'));
  answers.mockImplementation(() => new Promise(() => {}));
  const stop = follow(100, follower);
  await vi.waitFor(() => expect(heard).toHaveLength(4));
  stop();
  expect(heard).toEqual(['history {}', 'lost: the stream ended, again in 250', 'snapshot 1', 'lost: the stream ended, again in 250']);
  expect(answers.mock.calls[0]?.[0]).toBe('/admin/live?every_ms=100');
});

test('where a key is wanted it is asked for, and nothing is tried again', async () => {
  answers.mockImplementation(() => Promise.resolve(new Response('{}', { status: 401 })));
  follow(1000, follower);
  await vi.waitFor(() => expect(heard).toEqual(['locked']));
  setKey('guess');
  follow(1000, follower);
  await vi.waitFor(() => expect(heard).toEqual(['locked', 'locked, refused']));
  expect(answers).toHaveBeenCalledTimes(2);
  expect(answers.mock.calls[1]?.[1].headers).toEqual({ authorization: 'Bearer guess' });
});

test('a refusal is told in its own words, and waits are longer each time', async () => {
  const problem = JSON.stringify({ detail: 'sixteen pages are open' });
  answers.mockImplementation(() => Promise.resolve(new Response(problem, { status: 503 })));
  const stop = follow(1000, follower);
  await vi.waitFor(() => expect(heard).toHaveLength(2), { timeout: 3000 });
  stop();
  expect(heard).toEqual(['lost: sixteen pages are open, again in 250', 'lost: sixteen pages are open, again in 500']);
});

test('waits grow within bounds, and not all pages wait alike', () => {
  expect([0, 1, 2, 3].map((failures) => backoff(failures, 0.999))).toEqual([500, 1000, 1999, 3998]);
  expect(backoff(0, 0)).toBe(250);
  expect(backoff(1000, 0.999)).toBeLessThanOrEqual(15_000);
});
