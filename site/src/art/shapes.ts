/** A plane shape: its outline for SVG, and the test that the engraver asks. Coordinates are those of the plate. */
export interface Shape {
  d: string;
  inside(x: number, y: number): boolean;
  /** Left, top, right, bottom. */
  box: readonly [number, number, number, number];
}

export type Point = readonly [number, number];

export const WIDTH = 600;
export const HEIGHT = 400;

/** A coordinate with one decimal, as short as it can be written. */
export const n = (value: number): string => String(Math.round(value * 10) / 10);

export function rect(x: number, y: number, width: number, height: number): Shape {
  return {
    d: `M${n(x)} ${n(y)}h${n(width)}v${n(height)}h${n(-width)}z`,
    inside: (px, py) => px >= x && px <= x + width && py >= y && py <= y + height,
    box: [x, y, x + width, y + height],
  };
}

/** The plate and a margin, so that no line ends within sight. */
export const everything = (): Shape => rect(-12, -12, WIDTH + 24, HEIGHT + 24);

export function ellipse(cx: number, cy: number, rx: number, ry: number): Shape {
  return {
    d: `M${n(cx - rx)} ${n(cy)}a${n(rx)} ${n(ry)} 0 1 0 ${n(2 * rx)} 0a${n(rx)} ${n(ry)} 0 1 0 ${n(-2 * rx)} 0z`,
    inside: (x, y) => ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 <= 1,
    box: [cx - rx, cy - ry, cx + rx, cy + ry],
  };
}

export const circle = (cx: number, cy: number, r: number): Shape => ellipse(cx, cy, r, r);

export function polygon(points: readonly Point[]): Shape {
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const [left, top, right, bottom] = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
  return {
    d: `M${points.map(([x, y]) => `${n(x)} ${n(y)}`).join('L')}z`,
    inside: (px, py) => {
      if (px < left || px > right || py < top || py > bottom) return false;
      let within = false;
      for (let at = 0, before = points.length - 1; at < points.length; before = at++) {
        const [x1, y1] = points[at] as Point;
        const [x2, y2] = points[before] as Point;
        if (y1 > py !== y2 > py && px < ((x2 - x1) * (py - y1)) / (y2 - y1) + x1) within = !within;
      }
      return within;
    },
    box: [left, top, right, bottom],
  };
}

/** What lies below a curve, down to `bottom`: hills, waves, ground. */
export function below(curve: (x: number) => number, bottom = HEIGHT, from = 0, to = WIDTH, step = 10): Shape {
  const points: Point[] = [];
  for (let x = from; x < to; x += step) points.push([x, curve(x)]);
  points.push([to, curve(to)]);
  const top = Math.min(...points.map(([, y]) => y));
  return {
    d: `M${n(from)} ${n(bottom)}L${points.map(([x, y]) => `${n(x)} ${n(y)}`).join('L')}L${n(to)} ${n(bottom)}z`,
    inside: (x, y) => x >= from && x <= to && y <= bottom && y >= curve(x),
    box: [from, top, to, bottom],
  };
}

/** A closed curve around a centre, its radius given by the angle. */
export function around(cx: number, cy: number, radius: (angle: number) => number, steps = 48, flat = 1): Shape {
  const points: Point[] = [];
  for (let at = 0; at < steps; at++) {
    const angle = (2 * Math.PI * at) / steps;
    points.push([cx + radius(angle) * Math.cos(angle), cy + flat * radius(angle) * Math.sin(angle)]);
  }
  return polygon(points);
}

/** A shape within another. */
export function within(shape: Shape, frame: Shape): Shape {
  return { ...shape, inside: (x, y) => shape.inside(x, y) && frame.inside(x, y) };
}
