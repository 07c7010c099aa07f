import { n } from './shapes';
import type { Shape } from './shapes';

/** How dark a spot is, 0 (bare paper) to 1 (full ink). */
export type Tone = (x: number, y: number) => number;

export interface Cut {
  /** Direction of the lines in degrees; 0 is level. */
  angle?: number;
  /** Distance between lines. */
  spacing?: number;
  /** Height of a line's slow sway, for lines that look cut by hand. */
  sway?: number;
}

/** Lines thinner than this are not cut. */
const FINEST = 0.5;
const STEP = 9;
const LONGEST_CHORD = 60;

/**
 * Fills a shape with parallel lines that swell with its darkness, as an engraver does.
 * Gives the outlines of all lines as one SVG path.
 */
export function engrave(shape: Shape, tone: Tone, { angle = 0, spacing = 6, sway = 0.7 }: Cut = {}): string {
  const radians = (angle * Math.PI) / 180;
  const [ux, uy] = [Math.cos(radians), Math.sin(radians)];
  const [left, top, right, bottom] = shape.box;
  const corners = [
    [left, top],
    [right, top],
    [left, bottom],
    [right, bottom],
  ] as const;
  const along = corners.map(([x, y]) => x * ux + y * uy);
  const across = corners.map(([x, y]) => -x * uy + y * ux);
  const [start, end] = [Math.min(...along), Math.max(...along)];
  const last = Math.max(...across);
  let path = '';

  // Lines lie on one grid for the whole plate, so that neighbouring shapes match.
  for (let line = Math.ceil(Math.min(...across) / spacing) * spacing; line <= last; line += spacing) {
    const offset = (s: number): number => line + sway * Math.sin(s * 0.021 + line * 1.7);
    const isInside = (s: number): boolean => {
      const t = offset(s);
      return shape.inside(s * ux - t * uy, s * uy + t * ux);
    };
    const width = (s: number): number => {
      const t = offset(s);
      const dark = tone(s * ux - t * uy, s * uy + t * ux);
      const wanted = Math.min(1, Math.max(0, dark)) * spacing;
      return wanted < FINEST ? 0 : wanted;
    };
    const edge = (out: number, within: number): number => {
      let [o, i] = [out, within];
      for (let round = 0; round < 5; round++) {
        const middle = (o + i) / 2;
        if (isInside(middle)) i = middle;
        else o = middle;
      }
      return i;
    };

    let run: [number, number][] = [];
    const finish = (): void => {
      if (run.length > 1) path += outline(simplified(run), offset, ux, uy);
      run = [];
    };
    let wasInside = false;
    for (let s = start - STEP; s <= end + STEP; s += STEP) {
      const here = isInside(s);
      if (here && !wasInside) {
        const entry = edge(s - STEP, s);
        if (width(entry) > 0) run.push([entry, width(entry)]);
      }
      if (here) {
        const w = width(s);
        if (w > 0) {
          run.push([s, w]);
        } else {
          if (run.length > 0) run.push([s, 0]);
          finish();
        }
      } else if (wasInside) {
        const exit = edge(s, s - STEP);
        if (run.length > 0) run.push([exit, width(exit)]);
        finish();
      }
      wasInside = here;
    }
    finish();
  }
  return path;
}

/** Drops the points between which a line hardly changes. */
function simplified(run: readonly [number, number][]): [number, number][] {
  const first = run[0] as [number, number];
  const kept: [number, number][] = [first];
  for (let at = 1; at < run.length - 1; at++) {
    const [s, w] = run[at] as [number, number];
    const [keptS, keptW] = kept[kept.length - 1] as [number, number];
    if (Math.abs(w - keptW) > 0.3 || s - keptS > LONGEST_CHORD) kept.push([s, w]);
  }
  kept.push(run[run.length - 1] as [number, number]);
  return kept;
}

function outline(run: readonly [number, number][], offset: (s: number) => number, ux: number, uy: number): string {
  const point = (s: number, t: number): string => `${n(s * ux - t * uy)} ${n(s * uy + t * ux)}`;
  const upper = run.map(([s, w]) => point(s, offset(s) - w / 2));
  const lower = run.map(([s, w]) => point(s, offset(s) + w / 2)).reverse();
  return `M${upper.join('L')}L${lower.join('L')}z`;
}
