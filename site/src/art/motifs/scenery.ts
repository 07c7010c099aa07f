import type { Tone } from '../engrave';
import type { Plate } from '../plate';
import { HEIGHT, WIDTH, around, below, circle, everything, n, polygon } from '../shapes';
import type { Point, Shape } from '../shapes';

/** Light from the upper left on a ball. */
export function ballTone(cx: number, cy: number, r: number, darkest = 0.85): Tone {
  return (x, y) => {
    const distance = Math.hypot(x - (cx - r * 0.4), y - (cy - r * 0.45)) / (r * 1.5);
    return darkest * Math.max(0, distance - 0.18) ** 1.3;
  };
}

/** Level lines, darkest above, that leave a glow around a light. */
export function glowSky(plate: Plate, lightX: number, lightY: number, reach = 260, darkest = 0.62): void {
  plate.add(everything(), {
    tone: (x, y) => {
      const away = Math.min(1, Math.hypot(x - lightX, y - lightY) / reach);
      return darkest * away ** 1.2 * (1 - 0.55 * (y / HEIGHT));
    },
    outline: false,
  });
}

/** A night: white stars are left out of dense lines. */
export function nightSky(plate: Plate, stars: number, darkest = 0.86): void {
  plate.add(everything(), { tone: (_, y) => darkest - 0.25 * (y / HEIGHT), outline: false });
  for (let star = 0; star < stars; star++) {
    const [x, y, r] = [plate.rng.range(10, WIDTH - 10), plate.rng.range(8, HEIGHT * 0.72), plate.rng.range(3, 7)];
    plate.add(sparkle(x, y, r), { outline: false });
  }
}

export function sparkle(x: number, y: number, r: number): Shape {
  const waist = r * 0.22;
  const points: Point[] = [];
  for (let at = 0; at < 8; at++) {
    const radius = at % 2 === 0 ? r : waist;
    points.push([x + radius * Math.sin((at * Math.PI) / 4), y - radius * Math.cos((at * Math.PI) / 4)]);
  }
  return polygon(points);
}

/** The sun with wedges of ink around it, as old almanacs have it. */
export function raySky(plate: Plate, x: number, y: number, r: number): void {
  const rays = plate.rng.int(26, 34);
  const turn = plate.rng.range(0, 1);
  let d = '';
  for (let at = 0; at < rays; at++) {
    const angle = (2 * Math.PI * (at + turn)) / rays;
    const half = (Math.PI / rays) * 0.42;
    const start = r * (at % 2 === 0 ? 1.25 : 1.6);
    const point = (radius: number, a: number): string => `${n(x + radius * Math.cos(a))} ${n(y + radius * Math.sin(a))}`;
    d += `M${point(start, angle)}L${point(800, angle - half)}L${point(800, angle + half)}z`;
  }
  plate.fill(d, 'ink');
  plate.add(circle(x, y, r), { fill: 'tint' });
}

export function sun(plate: Plate, x: number, y: number, r: number): void {
  plate.add(circle(x, y, r), { fill: 'tint' });
}

/** A flat-bottomed heap of cloud, lit from above. */
export function cloud(plate: Plate, x: number, y: number, width: number, darkest = 0.5): void {
  const heaps = Array.from({ length: 5 }, (_, at) => ({
    x: x + width * ((at + 0.5) / 5 - 0.5),
    r: width * (0.12 + 0.1 * Math.sin(Math.PI * ((at + 0.5) / 5)) + plate.rng.range(-0.015, 0.03)),
  }));
  const top = (px: number): number =>
    y - Math.max(0, ...heaps.map(({ x: hx, r }) => (Math.abs(px - hx) < r ? Math.sqrt(r * r - (px - hx) ** 2) * 1.15 : 0)));
  const [from, to] = [x - width * 0.53, x + width * 0.53];
  plate.add(below(top, y, from, to, 4), {
    tone: (_, py) => darkest * Math.max(0, 1 - (y - py) / (width * 0.2)),
    spacing: 5,
  });
}

/** A curve of gentle hills around a level. */
export function rolling(plate: Plate, level: number, height: number): (x: number) => number {
  const [a, b, c] = [plate.rng.range(0, 6), plate.rng.range(0, 6), plate.rng.range(0.006, 0.011)];
  return (x) => level - height * (0.6 * Math.sin(x * c + a) + 0.4 * Math.sin(x * c * 2.3 + b));
}

export function hill(plate: Plate, curve: (x: number) => number, angle: number, darkest: number, fill: 'paper' | 'pale' | 'tint' = 'paper'): void {
  plate.add(below(curve), {
    fill,
    angle,
    tone: (x, y) => {
      const slope = curve(x + 12) - curve(x - 12);
      return darkest * (0.35 + 0.03 * slope + Math.min(0.6, (y - curve(x)) / 160));
    },
  });
}

/** Water: level strokes that come and go, heavier towards the front. */
export function sea(plate: Plate, horizon: number, lightX = -1000): void {
  const shift = plate.rng.range(0, 6);
  plate.add(below(() => horizon), {
    fill: 'pale',
    spacing: 7,
    sway: 2,
    tone: (x, y) => {
      const depth = (y - horizon) / (HEIGHT - horizon);
      const waves = 0.5 + 0.5 * Math.sin(x * (0.05 - 0.025 * depth) + y * 0.8 + shift + 2 * Math.sin(x * 0.013 + y * 0.31));
      const glint = Math.exp(-(((x - lightX) / (24 + 60 * depth)) ** 2));
      return (0.25 + 0.5 * depth) * (0.35 + waves) * (1 - 0.9 * glint);
    },
  });
}

export function tree(plate: Plate, x: number, ground: number, size: number): void {
  const { rng } = plate;
  plate.add(polygon([[x - size * 0.06, ground], [x - size * 0.03, ground - size * 0.6], [x + size * 0.03, ground - size * 0.6], [x + size * 0.07, ground]]), { fill: 'ink' });
  const [a, b] = [rng.range(0, 6), rng.range(0, 6)];
  const crown = around(x, ground - size * 0.75, (t) => size * (0.34 + 0.035 * Math.sin(7 * t + a) + 0.02 * Math.sin(13 * t + b)), 60, 1.05);
  plate.add(crown, { fill: 'tint', tone: ballTone(x, ground - size * 0.75, size * 0.36, 1), angle: 40, spacing: 5 });
}

/** Birds far off. */
export function birds(plate: Plate, count: number, x: number, y: number): void {
  for (let bird = 0; bird < count; bird++) {
    const [bx, by, s] = [x + plate.rng.range(-70, 70), y + plate.rng.range(-30, 30), plate.rng.range(7, 13)];
    plate.stroke(`M${n(bx - s)} ${n(by - s * 0.3)}q${n(s * 0.6)} ${n(-s * 0.4)} ${n(s)} ${n(s * 0.4)}q${n(s * 0.5)} ${n(-s * 0.8)} ${n(s)} ${n(-s * 0.4)}`);
  }
}
