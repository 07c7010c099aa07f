import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ReadEvent } from '../api/types';
import { courier, dropUnsent, sendUnsent } from './courier';

const event = (view: string, seq: number, user = 'maren'): ReadEvent => ({
  user_id: user,
  article_id: 7,
  read_time: 10 * seq,
  scroll_pct: 50,
  device_type: 3,
  view_id: view,
  seq,
});

/** A newsroom that can be away, and what it was told. */
function newsroom() {
  const state = { away: false, status: 202, told: [] as ReadEvent[], beacons: 0 };
  vi.stubGlobal('fetch', async (_: string, init: RequestInit) => {
    if (state.away) throw new TypeError('network');
    state.told.push(JSON.parse(String(init.body)) as ReadEvent);
    return new Response(state.status < 300 ? '{"after":"t"}' : '{}', { status: state.status, headers: { date: 'Fri, 27 Nov 2026 12:00:00 GMT' } });
  });
  vi.stubGlobal('navigator', { onLine: true, languages: [], sendBeacon: () => (state.beacons += 1) > 0 });
  return state;
}

let state: ReturnType<typeof newsroom>;
beforeEach(() => {
  state = newsroom();
});
afterEach(async () => {
  state.away = false;
  state.status = 202;
  await sendUnsent();
  vi.unstubAllGlobals();
});

describe('a piece that does not get through', () => {
  it('is kept, and sent again once', async () => {
    state.away = true;
    await expect(courier.post(event('a', 1))).rejects.toThrow();
    await sendUnsent();
    expect(state.told).toEqual([]);
    state.away = false;
    await sendUnsent();
    await sendUnsent();
    expect(state.told.map(({ view_id: view, seq }) => [view, seq])).toEqual([['a', 1]]);
  });

  it('gives way to a later one of its view', async () => {
    state.away = true;
    await expect(courier.post(event('b', 2))).rejects.toThrow();
    await expect(courier.post(event('b', 1))).rejects.toThrow();
    state.away = false;
    await sendUnsent();
    expect(state.told.map(({ seq }) => seq)).toEqual([2]);

    state.away = true;
    await expect(courier.post(event('c', 1))).rejects.toThrow();
    state.away = false;
    await courier.post(event('c', 2));
    await sendUnsent();
    expect(state.told.map(({ view_id: view, seq }) => [view, seq])).toEqual([['b', 2], ['c', 2]]);
  });

  it('is not insisted on when it was refused', async () => {
    state.status = 422;
    await expect(courier.post(event('d', 1))).rejects.toThrow();
    await sendUnsent();
    expect(state.told).toHaveLength(1);
  });

  it('is kept when the newsroom is in trouble, and no beacon is wasted on it then', async () => {
    state.status = 503;
    await expect(courier.post(event('e', 1))).rejects.toThrow();
    expect(courier.beacon(event('e', 2))).toBe(true);
    expect(state.beacons).toBe(0);
    state.status = 202;
    await sendUnsent();
    expect(state.told.at(-1)).toMatchObject({ view_id: 'e', seq: 2 });
    // Told late, so it says when it was, by the newsroom's clock.
    expect(state.told.at(-1)?.timestamp).toMatch(/^2026-11-27T12:00/);
  });

  it('is dropped with a reader who asked to be forgotten', async () => {
    state.away = true;
    await expect(courier.post(event('f', 1, 'gone'))).rejects.toThrow();
    dropUnsent('gone');
    state.away = false;
    await sendUnsent();
    expect(state.told).toEqual([]);
  });
});
