import { motifsOf } from './categories';
import { Plate, through } from './plate';
import type { Mark } from './plate';
import { hash, seeded } from './rng';

/** What `Illustration` shows. */
export interface Picture {
  marks: readonly Mark[];
  /** Which of the palette's tints the section has. */
  hue: number;
  /** Printed the other way round. */
  mirrored: boolean;
}

const drawn = new Map<string, Picture>();
const PICTURES_KEPT = 60;

const keyOf = (id: number, category: string, fine: boolean): string => `${id} ${fine} ${category}`;

/** A picture that need not be drawn anew. */
export const drawnBefore = (id: number, category: string, fine: boolean): Picture | undefined =>
  drawn.get(keyOf(id, category, fine));

/** Draws an article's picture at once; the same article and category always give the same one. */
export const draw = (id: number, category: string, fine: boolean): Picture => through(drawing(id, category, fine));

/** The same in small steps. */
export function* drawing(id: number, category: string, fine: boolean): Generator<undefined, Picture> {
  const key = keyOf(id, category, fine);
  const known = drawn.get(key);
  if (known) return known;
  const { motifs, hue } = motifsOf(category);
  const rng = seeded(hash(`${id}`));
  const plate = new Plate(rng, fine ? 1 : 1.35);
  rng.pick(motifs)(plate);
  const picture = { marks: yield* plate.cut(), hue, mirrored: hash(`side ${id}`) % 2 === 1 };
  if (drawn.size >= PICTURES_KEPT) drawn.delete(drawn.keys().next().value as string);
  drawn.set(key, picture);
  return picture;
}
