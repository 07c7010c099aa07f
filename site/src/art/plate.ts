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

/** Marks collected back to front. */
export class Plate {
  readonly marks: Mark[] = [];

  constructor(
    readonly rng: Rng,
    /** Distance of lines in relation to the usual: larger for small pictures. */
    private readonly coarseness: number,
  ) {}

  add(shape: Shape, look: Look): this {
    const { fill = 'paper', tone, line = 'ink', outline = true } = look;
    if (fill !== 'none') this.marks.push({ d: shape.d, kind: fill });
    if (tone !== undefined) {
      const dark: Tone = typeof tone === 'number' ? () => tone : tone;
      const d = engrave(shape, dark, { ...look, spacing: (look.spacing ?? 6) * this.coarseness });
      if (d !== '') this.marks.push({ d, kind: line });
    }
    if (outline) this.marks.push({ d: shape.d, kind: 'line' });
    return this;
  }

  stroke(d: string, kind: Stroke = 'line'): this {
    this.marks.push({ d, kind });
    return this;
  }
}
