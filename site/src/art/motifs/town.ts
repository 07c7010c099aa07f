import type { Plate } from '../plate';
import { around, below, circle, ellipse, everything, n, polygon, rect } from '../shapes';
import type { Point } from '../shapes';
import { cloud, glowSky, hill, nightSky, raySky, rolling, sea, sun, tree } from './scenery';

/** Roofs and towers of a city. */
export function skyline(plate: Plate): void {
  const { rng } = plate;
  const light = rng.range(120, 480);
  if (rng.chance(0.5)) raySky(plate, light, 190, 54);
  else {
    glowSky(plate, light, 150);
    sun(plate, light, 140, 42);
  }
  for (const row of [0, 1]) {
    let x = row === 0 ? -20 : -40;
    while (x < 620) {
      const width = rng.range(46, 84);
      const top = row === 0 ? rng.range(120, 220) : rng.range(190, 290);
      house(plate, x, top, width, row);
      x += width + (row === 0 ? rng.range(-4, 8) : rng.range(-2, 4));
    }
  }
  plate.add(rect(-5, 378, 610, 30), { fill: 'ink' });
}

function house(plate: Plate, x: number, top: number, width: number, row: number): void {
  const { rng } = plate;
  const roof = rng.pick(['flat', 'gable', 'spire', 'dome'] as const);
  const middle = x + width / 2;
  if (roof === 'gable') plate.add(polygon([[x - 3, top], [middle, top - width * 0.45], [x + width + 3, top]]), { fill: row === 0 ? 'pale' : 'tint', tone: (px) => (px > middle ? 0.7 : 0.2), angle: 50 });
  if (roof === 'spire') plate.add(polygon([[x + width * 0.3, top], [middle, top - width * 1.1], [x + width * 0.7, top]]), { fill: 'ink' });
  if (roof === 'dome') plate.add(around(middle, top + 2, () => width * 0.36, 40), { fill: 'tint', tone: (px) => Math.max(0, (px - middle + 10) / 40), angle: 90, spacing: 5 });
  const dark = row === 0 ? 0.3 : 0.5;
  plate.add(rect(x, top, width, 400 - top), { fill: row === 0 ? 'pale' : 'paper', angle: 90, tone: (px) => dark * (0.25 + (px - x) / width) });
  const columns = Math.max(2, Math.floor(width / 18));
  for (let y = top + 16; y < 366; y += 26) {
    for (let column = 0; column < columns; column++) {
      if (rng.chance(0.18)) continue;
      const wx = x + ((column + 0.5) * width) / columns - 4;
      plate.add(rect(wx, y, 8, 13), { fill: rng.chance(0.14) ? 'tint' : 'ink', outline: false });
    }
  }
}

/** A parliament: dome, columns and steps. */
export function parliament(plate: Plate): void {
  const { rng } = plate;
  const light = rng.pick([110, 490]);
  raySky(plate, light, rng.range(80, 130), 38);
  const columns = rng.int(6, 8);
  const shade = (x: number): number => Math.max(0, (x - 300) / 420 + 0.28);
  for (const side of [-1, 1]) {
    const x = side < 0 ? 20 : 400;
    plate.add(rect(x, 236, 180, 110), { tone: (px) => shade(px) * 0.8, angle: 90 });
    for (let at = 0; at < 5; at++) plate.add(rect(x + 16 + at * 33, 258, 14, 60), { fill: 'ink', outline: false });
    plate.add(rect(x - 4, 228, 188, 9), { fill: 'paper' });
  }
  plate.add(rect(250, 118, 100, 60), { tone: (x) => 0.2 + Math.max(0, (x - 290) / 90), angle: 90, spacing: 5 });
  for (let at = 0; at < 5; at++) plate.add(rect(259 + at * 19, 130, 7, 40), { fill: 'ink', outline: false });
  plate.add(around(300, 120, (a) => (Math.sin(a) > 0 ? 1 : 62), 64, 1.05), { fill: 'tint', tone: (x, y) => Math.max(0, (x - 285) / 70 + (120 - y) / 400), angle: 90, spacing: 5 });
  plate.add(rect(292, 36, 16, 22), { fill: 'paper' });
  plate.stroke('M300 36V8');
  plate.add(polygon([[300, 9], [332, 15], [300, 23]]), { fill: 'tint' });
  plate.add(polygon([[158, 214], [300, 158], [442, 214]]), { tone: (x) => shade(x) * 0.7 });
  plate.add(polygon([[196, 207], [300, 168], [404, 207]]), { fill: 'pale', tone: 0.4, angle: 45 });
  plate.add(rect(158, 213, 284, 14), { fill: 'paper' });
  plate.add(rect(166, 227, 268, 120), { tone: 0.95, angle: 90 });
  for (let at = 0; at < columns; at++) {
    const x = 172 + (at * 244) / (columns - 1);
    plate.add(rect(x, 233, 14, 108), { tone: (px) => Math.max(0, (px - x - 4) / 12), angle: 90, spacing: 4 });
    plate.add(rect(x - 4, 227, 22, 7), {});
    plate.add(rect(x - 4, 340, 22, 7), {});
  }
  for (let step = 0; step < 5; step++) plate.add(rect(150 - step * 34, 347 + step * 11, 300 + step * 68, 12), { tone: 0.12 + 0.09 * step });
}

/** Works with chimneys: trade and industry. */
export function works(plate: Plate): void {
  const { rng } = plate;
  glowSky(plate, rng.range(60, 540), 240, 340, 0.5);
  const stacks = rng.int(2, 4);
  for (let at = 0; at < stacks; at++) {
    const x = 330 + at * 70;
    const top = 120 + rng.range(-34, 34);
    for (let puff = 5; puff >= 0; puff--) plate.add(ellipse(x - puff * 40 + rng.range(-5, 5), top - 16 - puff * 15, 17 + puff * 8, 13 + puff * 6), { tone: (_, y) => 0.7 * Math.max(0, (y - top + 22 + puff * 15) / 36), spacing: 5 });
    plate.add(polygon([[x - 19, 300], [x - 12, top], [x + 12, top], [x + 19, 300]]), { fill: 'tint', tone: (px) => Math.max(0, (px - x + 8) / 26), angle: 90, spacing: 5 });
    plate.add(rect(x - 15, top - 4, 30, 10), { fill: 'ink' });
  }
  const sheds = 4;
  for (let at = 0; at < sheds; at++) {
    const x = 10 + at * 74;
    plate.add(polygon([[x, 270], [x, 216], [x + 74, 258], [x + 74, 270]]), { fill: 'pale', tone: 0.35, angle: 30 });
  }
  plate.add(rect(10, 268, 580, 90), { tone: (x) => 0.18 + x / 1500, angle: 90 });
  for (let at = 0; at < 13; at++) plate.add(rect(28 + at * 43, 288, 24, 36), { fill: at % 5 === 2 ? 'tint' : 'ink' });
  plate.add(rect(-5, 356, 610, 50), { tone: 0.75 });
  plate.stroke('M0 372H600M0 384H600');
}

/** A street lamp, a wall, and somebody's shadow. */
export function lamp(plate: Plate): void {
  const { rng } = plate;
  const left = rng.chance(0.5);
  const x = left ? rng.range(110, 210) : rng.range(390, 490);
  const side = left ? 1 : -1;
  plate.add(everything(), { tone: (px, y) => Math.min(0.94, 0.12 + Math.hypot(px - x, (y - 110) * 0.85) / 330), outline: false });
  const wall = 262;
  plate.add(below(() => wall), { fill: 'pale', tone: (px, y) => Math.min(0.9, 0.05 + Math.hypot((px - x) * 0.6, (y - 380) * 1.3) / 260), spacing: 7, outline: true });
  let cobbles = '';
  for (let row = 0; row < 6; row++) {
    const y = wall + 12 + row * row * 3.6 + row * 6;
    const wide = 24 + row * 12;
    for (let cx = (row % 2) * wide * 0.5 - 20; cx < 620; cx += wide) cobbles += `M${n(cx)} ${n(y)}q${n(wide * 0.5)} ${n(-6 - row)} ${n(wide * 0.92)} 0`;
  }
  plate.stroke(cobbles);
  if (rng.chance(0.5)) {
    // Somebody is still up.
    const window = x + side * rng.range(270, 330);
    plate.add(rect(window - 26, 60, 52, 74), { fill: 'tint' });
    plate.stroke(`M${n(window)} 60v74M${n(window - 26)} 97h52`);
  }
  const foot = x + side * rng.range(100, 240);
  plate.add(polygon([[foot - 12, 300], [foot + 14, 300], [foot + side * 150 + 10, 420], [foot + side * 90 - 30, 420]]), { fill: 'ink', outline: false });
  // A figure in hat and long coat.
  const coat: Point[] = [[foot - 17, 304], [foot - 20, 214], [foot - 14, 186], [foot + 14, 186], [foot + 20, 214], [foot + 19, 304]];
  plate.add(polygon(coat), { fill: 'ink' });
  plate.add(circle(foot, 172, 13), { fill: 'ink' });
  plate.add(rect(foot - 22, 161, 44, 5), { fill: 'ink' });
  plate.add(polygon([[foot - 13, 162], [foot - 11, 143], [foot + 11, 143], [foot + 13, 162]]), { fill: 'ink' });
  plate.add(rect(x - 4, 130, 8, 232), { fill: 'ink' });
  plate.add(polygon([[x - 16, 366], [x - 7, 330], [x + 7, 330], [x + 16, 366]]), { fill: 'ink' });
  plate.add(polygon([[x - 15, 132], [x - 22, 86], [x + 22, 86], [x + 15, 132]]), { fill: 'tint' });
  plate.add(polygon([[x - 27, 87], [x, 60], [x + 27, 87]]), { fill: 'ink' });
  plate.stroke(`M${n(x)} 87v44`);
}

/** Weather over roofs, hills or the sea. */
export function rain(plate: Plate): void {
  const { rng } = plate;
  nightSky(plate, 0, rng.range(0.45, 0.7));
  cloud(plate, rng.range(60, 220), rng.range(110, 150), rng.range(210, 310), 0.95);
  cloud(plate, rng.range(380, 540), rng.range(120, 165), rng.range(220, 320), 0.95);
  if (rng.chance(0.7)) cloud(plate, rng.range(230, 370), rng.range(85, 125), rng.range(180, 270), 0.8);
  const slant = rng.range(0.1, 0.75);
  let drops = '';
  for (let drop = rng.int(70, 140); drop > 0; drop--) {
    const [x, y, long] = [rng.range(0, 640), rng.range(165, 330), rng.range(14, 38)];
    drops += `M${n(x)} ${n(y)}l${n(-long * slant)} ${n(long)}`;
  }
  plate.stroke(drops, 'white-line');
  if (rng.chance(0.4)) {
    const at = rng.range(-190, 150);
    const bolt: Point[] = [[330, 140], [286, 236], [318, 232], [276, 330], [362, 208], [326, 214], [372, 140]];
    plate.add(polygon(bolt.map(([x, y]): Point => [x + at, y])), { fill: 'tint' });
  }
  rng.pick([roofs, wetHills, highSea])(plate);
}

function roofs(plate: Plate): void {
  const { rng } = plate;
  const usual = rng.range(56, 110);
  let x = -20;
  while (x < 620) {
    const width = usual * rng.range(0.8, 1.25);
    const top = rng.range(310, 350);
    plate.add(polygon([[x, 410], [x, top], [x + width / 2, top - width * 0.42], [x + width, top], [x + width, 410]]), { fill: 'ink' });
    plate.add(rect(x + width * 0.4, top + 14, 9, 13), { fill: rng.chance(0.5) ? 'tint' : 'paper', outline: false });
    x += width;
  }
}

function wetHills(plate: Plate): void {
  const { rng } = plate;
  hill(plate, rolling(plate, 290, 30), 18, 0.8, 'pale');
  const front = rolling(plate, 345, 22);
  for (let left = rng.int(2, 4); left > 0; left--) {
    const x = rng.range(60, 540);
    tree(plate, x, front(x) + 6, rng.range(70, 110));
  }
  hill(plate, front, -16, 1, 'tint');
}

function highSea(plate: Plate): void {
  const x = plate.rng.range(140, 460);
  sea(plate, 296);
  plate.add(polygon([[x, 190], [x, 300], [x - 66, 296]]), { tone: 0.15, angle: 60 });
  plate.add(polygon([[x + 7, 206], [x + 7, 300], [x + 52, 297]]), { fill: 'tint', tone: 0.3, angle: -60 });
  plate.add(polygon([[x - 74, 306], [x + 72, 306], [x + 46, 334], [x - 50, 334]]), { fill: 'ink' });
}

/** Fair weather: clouds sailing over a plain. */
export function fair(plate: Plate): void {
  const { rng } = plate;
  const light = rng.range(160, 440);
  raySky(plate, light, 120, 52);
  cloud(plate, light - rng.range(110, 170), rng.range(150, 200), 190, 0.6);
  cloud(plate, light + rng.range(120, 190), rng.range(170, 220), 220, 0.6);
  const plain = (x: number): number => 312 + 5 * Math.sin(x * 0.01 + light);
  plate.add(below(plain), { fill: 'tint', tone: (_, y) => 0.2 + (y - 310) / 120, sway: 3 });
  const x = rng.range(120, 480);
  // A vane on its pole.
  plate.add(polygon([[x - 3, 196], [x + 3, 196], [x + 6, 410], [x - 6, 410]]), { fill: 'ink' });
  plate.add(polygon([[x - 74, 190], [x - 40, 172], [x - 44, 186], [x + 40, 184], [x + 74, 164], [x + 62, 190], [x + 74, 216], [x + 40, 196], [x - 44, 194], [x - 40, 208]]), { fill: 'ink' });
  plate.stroke(`M${n(x - 34)} 240h68`, 'bold-line');
  plate.add(circle(x, 240, 9), { fill: 'tint' });
}
