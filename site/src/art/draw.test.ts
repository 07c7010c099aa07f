import { describe, expect, it } from 'vitest';
import { HUES, motifsOf } from './categories';
import { draw } from './draw';
import { Plate, through } from './plate';
import { hash, seeded } from './rng';

const SECTIONS = ['World', 'Politics', 'Science', 'Sport', 'Culture', 'Business', 'Technology', 'Crime', 'Weather', 'Health', 'NWS', 'ENT', 'krimi', 'auto', 'Opinion', ''];

/** A picture drawn anew, past the cache. */
function drawnAnew(id: number, category: string): string {
  const rng = seeded(hash(`${id}`));
  const plate = new Plate(rng, 1);
  rng.pick(motifsOf(category).motifs)(plate);
  return JSON.stringify(through(plate.cut()));
}

describe('an article’s picture', () => {
  it('is always the same', () => {
    for (const section of SECTIONS) expect(drawnAnew(9_776_234, section)).toBe(drawnAnew(9_776_234, section));
    expect(draw(5, 'Sport', true)).toEqual({ ...draw(5, 'Sport', true) });
    expect(JSON.stringify(draw(5, 'Sport', true).marks)).toBe(drawnAnew(5, 'Sport'));
  });

  it('differs between neighbouring articles of a section', () => {
    for (const section of SECTIONS) {
      const pictures = new Set(Array.from({ length: 12 }, (_, at) => drawnAnew(9_700_000 + at, section)));
      expect(pictures.size, section).toBe(12);
    }
  });

  it('has only finite coordinates, and something to see', () => {
    for (const section of SECTIONS) {
      for (let id = 1; id <= 20; id++) {
        const { marks, hue } = draw(id, section, true);
        expect(marks.length).toBeGreaterThan(3);
        expect(hue).toBeGreaterThanOrEqual(0);
        expect(hue).toBeLessThan(HUES);
        for (const { d } of marks) expect(d).not.toMatch(/NaN|Infinity|undefined/);
      }
    }
  }, 60_000);

  it('stays light enough for a page of twenty', () => {
    const sizes = SECTIONS.flatMap((section) => [1, 2, 3, 4].map((id) => JSON.stringify(draw(id, section, false).marks).length));
    expect(Math.max(...sizes)).toBeLessThan(160_000);
  });
});

describe('the seeded generator', () => {
  it('keeps its numbers, since pictures are to stay', () => {
    expect(hash('9700001')).toBe(hash('9700001'));
    const rng = seeded(42);
    expect([rng.next(), rng.next(), rng.next()].map((value) => value.toFixed(6))).toEqual(['0.601104', '0.448291', '0.852466']);
  });

  it('stays within its bounds', () => {
    const rng = seeded(7);
    for (let draws = 0; draws < 1000; draws++) {
      expect(rng.int(2, 4)).toBeGreaterThanOrEqual(2);
      expect(rng.int(2, 4)).toBeLessThanOrEqual(4);
      expect(rng.range(-1, 1)).toBeLessThan(1);
    }
  });
});
