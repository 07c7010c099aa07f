import { engrave } from './engrave';
import type { Cut, Tone } from './engrave';
import type { Rng } from './rng';
import type { Shape } from './shapes';

/** The colours of a plate: ink, bare paper, the section's tint and a paler one. */
export type Colour = 'ink' | 'paper' | 'tint' | 'pale';

/** Lines of one width: outlines, heavy ones, and those that a white-line cutter leaves. */
export type Stroke = 'line' | 'bold-line' | 'white-line';

/** One path of a plate, in painting order. */
export interface Mark {
  d: string;
  /** A colour fills, a stroke is drawn. */
  kind: Colour | Stroke;
}

export interface Look extends Cut {
  /** What lies under the lines; `none` lets what is behind show through. */
  fill?: Colour | 'none';
  /** Darkness of the lines; none are cut without it. */
  tone?: Tone | number;
  /** Colour of the lines. */
  line?: 'ink' | 'paper' | 'tint';
  outline?: boolean;
}

/** Shapes collected back to front. Their lines are cut afterwards, one shape after the other, since that is the work. */
export class Plate {
  private readonly parts: (Mark | (() => Mark | undefined))[] = [];

  constructor(
    readonly rng: Rng,
    /** Distance of lines in relation to the usual: larger for small pictures. */
    private readonly coarseness: number,
  ) {}

  add(shape: Shape, look: Look): this {
    const { fill = 'paper', tone, line = 'ink', outline = true } = look;
    if (fill !== 'none') this.parts.push({ d: shape.d, kind: fill });
    if (tone !== undefined) {
      const dark: Tone = typeof tone === 'number' ? () => tone : tone;
      this.parts.push(() => {
        const d = engrave(shape, dark, { ...look, spacing: (look.spacing ?? 6) * this.coarseness });
        return d === '' ? undefined : { d, kind: line };
      });
    }
    if (outline) this.parts.push({ d: shape.d, kind: 'line' });
    return this;
  }

  /** A path of one colour, without lines or outline. */
  fill(d: string, kind: Colour): this {
    this.parts.push({ d, kind });
    return this;
  }

  stroke(d: string, kind: Stroke = 'line'): this {
    this.parts.push({ d, kind });
    return this;
  }

  /** Cuts the lines, and pauses after each shape; ends with all marks in painting order. */
  *cut(): Generator<undefined, Mark[]> {
    const marks: Mark[] = [];
    for (const part of this.parts) {
      const mark = typeof part === 'function' ? part() : part;
      if (mark) marks.push(mark);
      if (typeof part === 'function') yield undefined;
    }
    return marks;
  }
}

/** Lets something that pauses go through to its end. */
export function through<T>(steps: Generator<undefined, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}
