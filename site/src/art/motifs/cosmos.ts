import type { Plate } from '../plate';
import { circle, ellipse, everything, n, polygon, rect, within } from '../shapes';
import type { Point } from '../shapes';
import { ballTone, nightSky, sparkle } from './scenery';

/** The earth, turned to a side of its own for each article. */
export function globe(plate: Plate): void {
  const { rng } = plate;
  nightSky(plate, rng.int(14, 24), 0.8);
  const [cx, cy, r] = [300, 206, 158];
  plate.add(circle(cx, cy, r), { fill: 'pale' });
  const disc = circle(cx, cy, r);
  const lands = rng.int(4, 6);
  for (let land = 0; land < lands; land++) {
    const [lon, lat] = [-1.2 + (2.4 * land) / (lands - 1) + rng.range(-0.15, 0.15), rng.range(-0.8, 0.85)];
    const size = rng.range(0.26, 0.46);
    const [a, b, c] = [rng.range(0, 6), rng.range(0, 6), rng.range(0, 6)];
    const coast: Point[] = Array.from({ length: 64 }, (_, at) => {
      const turn = (2 * Math.PI * at) / 64;
      const reach = size * (1 + 0.3 * Math.sin(2 * turn + a) + 0.16 * Math.sin(5 * turn + b) + 0.07 * Math.sin(11 * turn + c));
      const [pLon, pLat] = [Math.max(-1.57, Math.min(1.57, lon + reach * Math.cos(turn) * 1.15)), Math.max(-1.5, Math.min(1.5, lat + reach * Math.sin(turn)))];
      return [cx + r * Math.sin(pLon) * Math.cos(pLat), cy - r * Math.sin(pLat)];
    });
    plate.add(within(polygon(coast), disc), { fill: 'tint', tone: 0.28, angle: 55, spacing: 6 });
  }
  let net = '';
  for (const share of [0.32, 0.68]) net += ellipse(cx, cy, r * share, r).d;
  for (const lat of [-0.9, -0.45, 0, 0.45, 0.9]) {
    const half = r * Math.cos(lat);
    net += `M${n(cx - half)} ${n(cy - r * Math.sin(lat))}h${n(2 * half)}`;
  }
  plate.stroke(`${net}M${cx} ${cy - r}v${2 * r}`);
  plate.add(circle(cx, cy, r), { fill: 'none', tone: ballTone(cx, cy, r, 0.9), angle: -35, spacing: 6 });
}

/** A ringed planet and its moons. */
export function planet(plate: Plate): void {
  const { rng } = plate;
  nightSky(plate, rng.int(22, 34), 0.92);
  const [cx, cy, r] = [rng.range(250, 350), rng.range(180, 215), rng.range(96, 120)];
  const tilt = rng.range(-0.4, -0.18) * (rng.chance(0.5) ? 1 : -1);
  const ring = (radius: number, from: number, to: number): Point[] =>
    Array.from({ length: 33 }, (_, at) => {
      const turn = from + ((to - from) * at) / 32;
      const [x, y] = [radius * Math.cos(turn), radius * 0.28 * Math.sin(turn)];
      return [cx + x * Math.cos(tilt) - y * Math.sin(tilt), cy + x * Math.sin(tilt) + y * Math.cos(tilt)];
    });
  const band = (inner: number, outer: number, half: 0 | 1): void => {
    const [from, to] = half === 0 ? [Math.PI, 2 * Math.PI] : [0, Math.PI];
    plate.add(polygon([...ring(r * outer, from, to), ...ring(r * inner, to, from)]), { fill: 'paper', tone: half === 0 ? 0.4 : 0.12, angle: (tilt * 180) / Math.PI, spacing: 4 });
  };
  for (const [inner, outer] of [[1.3, 1.62], [1.7, 2.02]] as const) band(inner, outer, 0);
  const stripes = rng.range(0.05, 0.09);
  const ball = ballTone(cx, cy, r, 1);
  plate.add(circle(cx, cy, r), { fill: 'tint', angle: (tilt * 180) / Math.PI, tone: (x, y) => ball(x, y) + 0.18 * Math.max(0, Math.sin((y - cy - (x - cx) * Math.tan(tilt)) * stripes * 2)) });
  for (const [inner, outer] of [[1.3, 1.62], [1.7, 2.02]] as const) band(inner, outer, 1);
  const [mx, my] = [cx < 300 ? rng.range(490, 540) : rng.range(60, 110), rng.range(60, 120)];
  plate.add(circle(mx, my, 20), { tone: ballTone(mx, my, 20, 1), angle: 30, spacing: 4 });
}

/** Paths around a nucleus. */
export function atom(plate: Plate): void {
  const { rng } = plate;
  const [cx, cy] = [300, 200];
  plate.add(everything(), { tone: (x, y) => 0.85 * Math.min(1, Math.hypot(x - cx, y - cy) / 330) ** 1.3, outline: false });
  const turn = rng.range(0, Math.PI);
  const orbits = rng.int(3, 4);
  for (let at = 0; at < orbits; at++) {
    const angle = turn + (Math.PI * at) / orbits;
    const path = (radius: number): Point[] =>
      Array.from({ length: 73 }, (_, step) => {
        const t = (2 * Math.PI * step) / 72;
        const [x, y] = [radius * Math.cos(t), radius * 0.33 * Math.sin(t)];
        return [cx + x * Math.cos(angle) - y * Math.sin(angle), cy + x * Math.sin(angle) + y * Math.cos(angle)];
      });
    plate.add(polygon([...path(180), ...path(170).reverse()]), { outline: true });
    const [ex, ey] = path(175)[rng.int(0, 71)] as Point;
    plate.add(circle(ex, ey, 15), { fill: 'tint', tone: ballTone(ex, ey, 15, 1), spacing: 4 });
  }
  for (let at = 0; at < 7; at++) {
    const [a, d] = [(2 * Math.PI * at) / 6 + turn, at === 6 ? 0 : 23];
    const [x, y] = [cx + d * Math.cos(a), cy + d * Math.sin(a)];
    plate.add(circle(x, y, 18), { fill: at % 2 === 0 ? 'tint' : 'paper', tone: ballTone(x, y, 18, 0.9), angle: 40, spacing: 4 });
  }
}

/** Glass, liquid and rising bubbles. */
export function flask(plate: Plate): void {
  const { rng } = plate;
  const light = rng.pick([120, 480]);
  plate.add(everything(), { tone: (x, y) => 0.7 * Math.min(1, Math.hypot(x - light, y - 90) / 480), outline: false });
  plate.add(rect(-5, 336, 610, 70), { tone: (_, y) => 0.35 + (y - 336) / 120 });
  const vessel = (x: number, base: number, size: number): void => {
    const half = (y: number): number => (y < base - 150 * size ? 20 * size : 20 * size + ((y - base + 150 * size) / 150) * 84);
    const side = (from: number, to: number): Point[] => [[x - half(from), from], [x + half(from), from], [x + half(to), to], [x - half(to), to]];
    const level = base - rng.range(60, 100) * size;
    plate.add(ellipse(x + 24, base + 4, 128 * size, 12), { fill: 'ink', outline: false });
    plate.add(polygon([[x - 20 * size, base - 240 * size], [x + 20 * size, base - 240 * size], [x + 20 * size, base - 150 * size], [x + half(base), base], [x - half(base), base], [x - 20 * size, base - 150 * size]]), { fill: 'paper', tone: (px, y) => 0.8 * Math.max(0, (px - x) / half(y) - 0.35), angle: 70, spacing: 5 });
    plate.add(polygon(side(level, base)), { fill: 'tint', tone: (px, y) => 0.3 + 0.5 * ((px - x) / half(y)), spacing: 6, sway: 2 });
    plate.add(rect(x - 27 * size, base - 248 * size, 54 * size, 12 * size), { fill: 'paper' });
    for (let bubble = 0; bubble < 7; bubble++) plate.add(circle(x + rng.range(-40, 40) * size, rng.range(level + 12, base - 14), rng.range(4, 10) * size), { fill: 'paper' });
    for (let bubble = 0; bubble < 4; bubble++) plate.add(circle(x + rng.range(-10, 10), base - (258 + bubble * 20) * size, rng.range(4, 9)), { fill: 'pale' });
  };
  vessel(rng.range(190, 230), 352, 1.05);
  vessel(rng.range(400, 440), 366, 0.78);
  plate.add(sparkle(light, 90, 26), { outline: false });
}
