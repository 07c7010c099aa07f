import type { Plate } from '../plate';
import { HEIGHT, WIDTH, below, circle, ellipse, polygon, rect } from '../shapes';
import type { Point } from '../shapes';
import { birds, cloud, glowSky, hill, nightSky, raySky, rolling, sea, sun, tree } from './scenery';

/** Fields and hills under a rising sun. */
export function hills(plate: Plate): void {
  const { rng } = plate;
  const x = rng.range(140, 460);
  if (rng.chance(0.5)) raySky(plate, x, rng.range(140, 190), rng.range(40, 58));
  else {
    glowSky(plate, x, 150);
    sun(plate, x, 150, 44);
  }
  hill(plate, rolling(plate, 235, 34), -12, 0.55, 'pale');
  hill(plate, rolling(plate, 285, 28), 18, 0.8);
  const front = rolling(plate, 345, 16);
  hill(plate, front, -28, 1, 'tint');
  const grove = rng.int(2, 4);
  const start = rng.range(50, 330);
  for (let at = 0; at < grove; at++) {
    const tx = start + at * rng.range(56, 74);
    tree(plate, tx, front(tx) + 6, rng.range(90, 150));
  }
  birds(plate, rng.int(2, 4), WIDTH - x, 90);
}

/** A lighthouse over a running sea. */
export function lighthouse(plate: Plate): void {
  const { rng } = plate;
  const x = rng.chance(0.5) ? rng.range(150, 210) : rng.range(390, 450);
  const inland = x < 300 ? -1 : 1;
  nightSky(plate, rng.int(10, 18), 0.8);
  const lamp = 104;
  for (const side of [-1, 1]) {
    const beam: Point[] = [[x, lamp - 7], [x + side * 620, lamp - 96 + 30 * rng.next()], [x + side * 620, lamp + 74], [x, lamp + 9]];
    plate.add(polygon(beam), { outline: false, fill: 'pale' });
  }
  sea(plate, 268, x);
  const rock = (px: number): number => 282 + ((px - x) * inland > 0 ? 0 : Math.abs(px - x) * 0.5) + 10 * Math.sin(px * 0.07) + 5 * Math.sin(px * 0.19);
  plate.add(below(rock), { tone: (px, py) => 0.45 + 0.35 * Math.sin(px * 0.05 + py * 0.03) + (py - 290) / 300, angle: 62 });
  plate.add(polygon([[x - 34, 292], [x - 20, 122], [x + 20, 122], [x + 34, 292]]), { tone: (px) => 0.75 * Math.max(0, (px - x + 22) / 50), angle: 90, spacing: 5 });
  for (const [top, bottom] of [[160, 196], [232, 266]] as const) {
    const half = (y: number): number => 20 + (14 * (y - 122)) / 170;
    plate.add(polygon([[x - half(top), top], [x + half(top), top], [x + half(bottom), bottom], [x - half(bottom), bottom]]), { fill: 'tint', tone: (px) => 0.9 * Math.max(0, (px - x + 6) / 50), angle: 90, spacing: 5 });
  }
  plate.add(rect(x - 27, 116, 54, 8), { fill: 'ink' });
  plate.add(rect(x - 15, 88, 30, 28), { fill: 'paper' });
  plate.stroke(`M${x - 5} 88v28M${x + 5} 88v28`);
  plate.add(polygon([[x - 20, 88], [x, 62], [x + 20, 88]]), { fill: 'ink' });
}

/** Peaks with snow, a lake and firs. */
export function mountains(plate: Plate): void {
  const { rng } = plate;
  const sunX = rng.range(120, 480);
  glowSky(plate, sunX, 110, 300, 0.5);
  sun(plate, sunX, 100, 36);
  const peaks = [rng.range(60, 150), rng.range(250, 340), rng.range(440, 540)];
  for (const [at, px] of [peaks[0], peaks[2], peaks[1]].entries()) {
    const centre = px as number;
    const [top, half] = [at === 2 ? rng.range(70, 100) : rng.range(130, 165), at === 2 ? 250 : 200];
    const jag = (x: number): number => 9 * Math.sin(x * 0.11 + centre) + 6 * Math.sin(x * 0.23);
    const curve = (x: number): number => Math.min(300, top + (Math.abs(x - centre) / half) * (300 - top) + jag(x) * Math.min(1, Math.abs(x - centre) / 40));
    plate.add(below(curve, 305), { tone: (x, y) => {
      const ridge = centre + 16 * Math.sin(y * 0.09) + 8 * Math.sin(y * 0.21);
      return x > ridge ? 0.78 : y > top + 75 + 22 * Math.sin(x * 0.13) ? 0.3 : 0;
    }, angle: 58, spacing: 6 });
  }
  sea(plate, 300, sunX);
  for (let fir = 0; fir < 9; fir++) {
    const x = fir < 5 ? rng.range(0, 190) : rng.range(440, 600);
    const [base, size] = [rng.range(370, 400), rng.range(70, 120)];
    const points: Point[] = [[x, base - size]];
    for (let tier = 1; tier <= 4; tier++) {
      points.push([x + size * 0.075 * tier, base - size + (size * tier) / 4.4]);
      if (tier < 4) points.push([x + size * 0.04 * tier, base - size + (size * tier) / 4.4 - 2]);
    }
    const left = points.slice(1).reverse().map(([px, py]): Point => [2 * x - px, py]);
    plate.add(polygon([...points, ...left]), { fill: 'ink' });
  }
}

/** A steamer or sails on open water. */
export function steamer(plate: Plate): void {
  const { rng } = plate;
  const sunX = rng.range(120, 480);
  raySky(plate, sunX, 206, rng.range(52, 70));
  sea(plate, 250, sunX);
  const x = rng.range(250, 350);
  plate.add(polygon([[x - 190, 232], [x + 200, 222], [x + 168, 292], [x - 160, 292]]), { fill: 'tint', tone: (_, y) => 0.25 + (y - 225) / 90, spacing: 6 });
  plate.add(polygon([[x - 190, 232], [x + 200, 222], [x + 196, 234], [x - 186, 243]]), { fill: 'paper' });
  plate.add(rect(x - 110, 196, 200, 34), { tone: 0.15, angle: 90 });
  plate.add(rect(x - 80, 170, 140, 26), { tone: 0.2, angle: 90 });
  for (let port = 0; port < 9; port++) plate.add(circle(x - 96 + port * 22, 212, 4), { fill: 'ink' });
  for (const [at, fx] of [-50, 0, 50].entries()) {
    plate.add(polygon([[x + fx - 13, 171], [x + fx - 17, 108], [x + fx + 9, 108], [x + fx + 13, 171]]), { fill: 'paper', tone: (px) => Math.max(0, (px - x - fx + 8) / 26), angle: 90, spacing: 5 });
    plate.add(rect(x + fx - 17, 108, 26, 16), { fill: 'ink' });
    for (let puff = 0; puff < 4; puff++) plate.add(ellipse(x + fx - 10 - puff * 34, 94 - puff * 13 - at * 3, 18 + puff * 8, 11 + puff * 4), { tone: (_, y) => 0.7 * Math.max(0, (y - 84 + puff * 13) / 30), spacing: 5 });
  }
  plate.stroke(`M${x + 150} 224V120M${x - 150} 232V130M${x + 150} 124L${x + 198} 222M${x - 150} 134L${x - 188} 232`);
  plate.add(below((px) => 290 + 5 * Math.sin(px * 0.06), HEIGHT, 0, WIDTH, 8), { fill: 'pale', spacing: 8, sway: 3, tone: (px, y) => (0.4 + (y - 290) / 200) * (0.6 + 0.5 * Math.sin(px * 0.035 + y * 0.5)), outline: false });
  birds(plate, 4, x < 300 ? 520 : 90, 90);
}

/** Sails before the wind. */
export function regatta(plate: Plate): void {
  const { rng } = plate;
  const light = rng.range(100, 500);
  glowSky(plate, light, 120, 320, 0.55);
  cloud(plate, rng.range(90, 240), 120, rng.range(140, 200));
  cloud(plate, rng.range(380, 520), 80, rng.range(110, 160));
  sea(plate, 240, light);
  const boats = rng.int(3, 4);
  for (let boat = 0; boat < boats; boat++) {
    const size = 0.62 + (0.5 * boat) / (boats - 1);
    const x = 90 + ((boat * 2.6) % boats) * (440 / boats) + rng.range(-16, 16);
    const y = 262 + 82 * ((size - 0.62) / 0.5);
    const tip = y - 205 * size;
    const sail = (points: Point[], fill: 'paper' | 'tint'): void => void plate.add(polygon(points), { fill, tone: (px) => 0.55 * Math.max(0, (px - x + 30 * size) / (100 * size)), angle: 78, spacing: 5 });
    sail([[x - 4 * size, y - 16 * size], [x - 4 * size, tip], [x - 66 * size, y - 28 * size]], 'paper');
    sail([[x + 3 * size, y - 18 * size], [x + 3 * size, tip], [x + 44 * size, y - 90 * size], [x + 68 * size, y - 20 * size]], boat % 2 === 0 ? 'tint' : 'paper');
    plate.add(polygon([[x - 82 * size, y - 10 * size], [x + 84 * size, y - 14 * size], [x + 58 * size, y + 14 * size], [x - 58 * size, y + 14 * size]]), { fill: 'ink' });
    plate.stroke(`M${x - 90 * size} ${y + 20 * size}q${20 * size} ${-8 * size} ${40 * size} 0t${40 * size} 0t${40 * size} 0t${40 * size} 0`, 'line');
  }
}
