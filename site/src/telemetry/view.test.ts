import { describe, expect, it } from 'vitest';
import type { ReadEvent } from '../api/types';
import { ViewMeter } from './meter';
import { View } from './view';

/** A view with a clock and a courier that keeps what it is given. */
function opened({ beaconWorks = true, postFails = false } = {}) {
  const clock = { now: 0 };
  const beacons: ReadEvent[] = [];
  const posts: ReadEvent[] = [];
  const meter = new ViewMeter(() => clock.now);
  const view = new View(
    { user_id: 'maren', article_id: 7, device_type: 3, view_id: 'v1', impression_id: 'i9' },
    meter,
    {
      beacon(event) {
        if (beaconWorks) beacons.push(event);
        return beaconWorks;
      },
      async post(event) {
        posts.push(event);
        if (postFails) throw new Error('away');
        return `after ${event.seq}`;
      },
    },
  );
  view.show();
  return { clock, meter, view, beacons, posts };
}

describe('the pieces of a view', () => {
  it('sends nothing on opening', () => {
    const { beacons, posts } = opened();
    expect([...beacons, ...posts]).toEqual([]);
  });

  it('tells a bounce once, with its true time', async () => {
    const { clock, view, posts } = opened();
    clock.now = 2_300;
    expect(await view.leave()).toBe('after 1');
    expect(posts).toEqual([
      { user_id: 'maren', article_id: 7, device_type: 3, view_id: 'v1', impression_id: 'i9', read_time: 2.3, scroll_pct: 0, seq: 1 },
    ]);
  });

  it('carries totals so far, not differences, under a rising seq', async () => {
    const { clock, meter, view, beacons, posts } = opened();
    clock.now = 15_000;
    meter.sawShare(0.4);
    view.tick();
    clock.now = 20_000;
    view.hide();
    clock.now = 90_000;
    view.tick();
    view.show();
    clock.now = 95_000;
    meter.sawShare(0.9);
    await view.leave();
    const told = [...posts, ...beacons].sort((a, b) => a.seq - b.seq);
    expect(told.map(({ seq, read_time, scroll_pct }) => [seq, read_time, scroll_pct])).toEqual([
      [1, 15, 40],
      [2, 20, 40],
      [3, 25, 90],
    ]);
    expect(beacons.map(({ seq }) => seq)).toEqual([2]);
    expect(new Set(told.map(({ view_id }) => view_id)).size).toBe(1);
  });

  it('says nothing twice when the page is hidden and then unloaded', () => {
    const { clock, view, beacons } = opened();
    clock.now = 4_000;
    view.hide();
    clock.now = 4_050;
    view.hide();
    expect(beacons).toHaveLength(1);
  });

  it('falls back to a request when the browser refuses the beacon', () => {
    const { clock, view, beacons, posts } = opened({ beaconWorks: false });
    clock.now = 4_000;
    view.hide();
    expect(beacons).toHaveLength(0);
    expect(posts.map(({ read_time }) => read_time)).toEqual([4]);
  });

  it('is over once it has been left', async () => {
    const { clock, view, beacons, posts } = opened();
    clock.now = 1_000;
    await view.leave();
    view.show();
    clock.now = 60_000;
    view.tick();
    view.hide();
    expect(await view.leave()).toBeUndefined();
    expect([beacons.length, posts.length]).toEqual([0, 1]);
  });

  it('makes up for a lost piece with the next one', async () => {
    const { clock, view, posts } = opened({ postFails: true });
    clock.now = 15_000;
    view.tick();
    clock.now = 30_000;
    view.tick();
    await expect(view.leave()).rejects.toThrow('away');
    expect(posts.map(({ seq, read_time }) => [seq, read_time])).toEqual([
      [1, 15],
      [2, 30],
      [3, 30],
    ]);
  });
});
