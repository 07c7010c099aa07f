import type { Plate } from '../plate';
import { WIDTH, around, below, circle, ellipse, everything, n, polygon, rect, within } from '../shapes';
import type { Point } from '../shapes';
import { ballTone, cloud, glowSky, raySky } from './scenery';

/** A football in flight over a field. */
export function football(plate: Plate): void {
  const { rng } = plate;
  const near = rng.chance(0.5);
  const [cx, cy, r] = near ? [rng.range(240, 360), rng.range(165, 190), rng.range(104, 122)] : [rng.range(160, 440), rng.range(130, 200), rng.range(58, 80)];
  if (near) raySky(plate, cx, cy, r * 0.94);
  else {
    glowSky(plate, cx, cy, 320, 0.75);
    cloud(plate, (cx + rng.range(240, 360)) % WIDTH, rng.range(110, 190), rng.range(150, 230));
  }
  const field = (x: number): number => 318 + 6 * Math.sin(x * 0.008 + cx);
  plate.add(below(field), { fill: 'tint', tone: (x, y) => 0.2 + (y - 318) / 140 + 0.25 * (Math.sin((x - 300) / (0.3 * (y - 210))) > 0 ? 1 : 0), sway: 2 });
  plate.add(ellipse(cx + 20, 352, r * 0.95, r * 0.11), { fill: 'ink', outline: false });
  const ball = circle(cx, cy, r);
  plate.add(ball, { tone: ballTone(cx, cy, r, 0.8), angle: -30 });
  const turn = rng.range(0, 2);
  const patch = (x: number, y: number, size: number, at: number): void => {
    const five: Point[] = Array.from({ length: 5 }, (_, corner) => [x + size * Math.cos(at + (2 * Math.PI * corner) / 5), y + size * Math.sin(at + (2 * Math.PI * corner) / 5)]);
    plate.fill(polygon(five).d, 'ink');
  };
  patch(cx, cy, r * 0.3, turn);
  let seams = '';
  for (let at = 0; at < 5; at++) {
    const angle = turn + (2 * Math.PI * at) / 5;
    const [ux, uy] = [Math.cos(angle), Math.sin(angle)];
    const next = angle + Math.PI / 5;
    seams += `M${n(cx + r * 0.3 * ux)} ${n(cy + r * 0.3 * uy)}L${n(cx + r * 0.6 * ux)} ${n(cy + r * 0.6 * uy)}`;
    seams += `L${n(cx + r * 0.72 * Math.cos(next))} ${n(cy + r * 0.72 * Math.sin(next))}`;
    seams += `L${n(cx + r * 0.6 * Math.cos(angle + (2 * Math.PI) / 5))} ${n(cy + r * 0.6 * Math.sin(angle + (2 * Math.PI) / 5))}`;
    const rim: Point[] = [-0.24, -0.12, 0, 0.12, 0.24].map((a) => [cx + r * Math.cos(next + a), cy + r * Math.sin(next + a)]);
    plate.fill(polygon([...rim, [cx + r * 0.73 * Math.cos(next + 0.12), cy + r * 0.73 * Math.sin(next + 0.12)], [cx + r * 0.73 * Math.cos(next - 0.12), cy + r * 0.73 * Math.sin(next - 0.12)]]).d, 'ink');
  }
  plate.stroke(seams + ball.d);
}

/** Lanes of a running track under floodlights. */
export function track(plate: Plate): void {
  const { rng } = plate;
  const vanish = rng.range(180, 420);
  glowSky(plate, vanish, 190, 360, 0.75);
  plate.add(polygon([[-10, 130], [vanish - 40, 196], [vanish + 40, 196], [610, 130], [610, 214], [-10, 214]]), { fill: 'pale', tone: (x, y) => 0.45 + 0.4 * Math.sin(x * 0.9) * Math.sin(y * 0.7), spacing: 5 });
  plate.add(below(() => 212), { fill: 'tint', tone: (_, y) => 0.12 + (y - 212) / 330 });
  const lanes = 8;
  for (let lane = 0; lane <= lanes; lane++) {
    const [x, thick] = [-180 + (960 * lane) / lanes, 5];
    plate.add(polygon([[vanish + (lane - lanes / 2) * 7, 212], [vanish + (lane - lanes / 2) * 7 + 1, 212], [x + thick * 2, 402], [x - thick, 402]]), { fill: 'paper', outline: false });
  }
  for (const x of [70, 530]) {
    plate.add(polygon([[x - 5, 212], [x - 2, 70], [x + 2, 70], [x + 5, 212]]), { fill: 'ink' });
    plate.add(rect(x - 34, 38, 68, 38), { fill: 'paper' });
    for (let lampAt = 0; lampAt < 8; lampAt++) plate.add(circle(x - 24 + (lampAt % 4) * 16, 48 + Math.floor(lampAt / 4) * 18, 6), { fill: 'tint' });
  }
  if (rng.chance(0.4)) return;
  const x = vanish + rng.range(-40, 40);
  // A hurdle in the nearest lane.
  plate.add(rect(x - 90, 268, 180, 20), { fill: 'paper' });
  for (let stripe = 0; stripe < 4; stripe++) plate.add(rect(x - 82 + stripe * 46, 268, 24, 20), { fill: 'ink' });
  plate.add(polygon([[x - 84, 288], [x - 74, 288], [x - 78, 366], [x - 88, 366]]), { fill: 'ink' });
  plate.add(polygon([[x + 74, 288], [x + 84, 288], [x + 88, 366], [x + 78, 366]]), { fill: 'ink' });
}

/** A stage between its curtains. */
export function stage(plate: Plate): void {
  const { rng } = plate;
  const spot = rng.range(250, 350);
  plate.add(everything(), { tone: 0.9, outline: false });
  plate.add(polygon([[spot - 26, -5], [spot + 26, -5], [spot + 130, 330], [spot - 130, 330]]), { fill: 'pale', outline: false, tone: (x) => Math.min(0.5, (Math.abs(x - spot) / 130) ** 2 * 0.6), angle: 90 });
  plate.add(rect(-5, 318, 610, 90), { tone: (x, y) => 0.3 + (y - 318) / 150 - 0.25 * Math.exp(-(((x - spot) / 120) ** 2)) });
  plate.add(ellipse(spot, 332, 136, 15), { fill: 'paper' });
  const piano = rng.chance(0.5);
  if (piano) {
    plate.add(polygon([[spot - 74, 268], [spot + 66, 268], [spot + 78, 246], [spot + 20, 236], [spot - 74, 240]]), { fill: 'ink' });
    plate.add(polygon([[spot - 60, 238], [spot + 40, 176], [spot + 66, 184], [spot + 20, 238]]), { fill: 'ink' });
    for (const leg of [-66, -6, 58]) plate.add(rect(spot + leg, 266, 7, 62), { fill: 'ink' });
    plate.add(rect(spot - 128, 292, 40, 8), { fill: 'ink' });
    plate.stroke(`M${n(spot - 122)} 300v30M${n(spot - 94)} 300v30`);
  } else {
    // A microphone on its stand.
    plate.stroke(`M${n(spot)} 330V170M${n(spot - 34)} 331h68`);
    plate.add(ellipse(spot, 148, 19, 30), { tone: 0.5, angle: 45, spacing: 5 });
    plate.add(rect(spot - 20, 146, 40, 6), { fill: 'ink' });
  }
  for (const side of [0, 1]) {
    const edge = (y: number): number => 150 - 46 * Math.sin((y / 400) * Math.PI * 0.95) + 20 * (y / 400);
    const points: Point[] = [[-10, -10]];
    for (let y = -10; y <= 400; y += 20) points.push([edge(Math.max(0, y)), y]);
    points.push([-10, 410]);
    const cloth = points.map(([x, y]): Point => (side === 0 ? [x, y] : [600 - x, y]));
    plate.add(polygon(cloth), { fill: 'tint', angle: 90, tone: (x, y) => {
      const across = side === 0 ? x : 600 - x;
      return 0.42 + 0.42 * Math.sin((across / edge(y)) * 26);
    }, spacing: 5 });
  }
  plate.add(below(() => -10, 46, 0, 600), { fill: 'tint', outline: false });
  let swags = '';
  for (let at = 0; at < 6; at++) swags += `M${at * 100} 40q50 52 100 0V-10H${at * 100}z`;
  plate.fill(swags, 'tint').stroke(swags);
}

/** A record, its grooves cut fine. */
export function record(plate: Plate): void {
  const { rng } = plate;
  const [cx, cy, r] = [rng.range(220, 260), 205, 168];
  plate.add(everything(), { fill: 'pale', tone: (x) => 0.12 + x / 2200, angle: 45 });
  plate.add(ellipse(cx + 12, cy + 14, r, r), { fill: 'ink', outline: false });
  plate.add(circle(cx, cy, r), { fill: 'ink' });
  const shine = rng.range(0.4, 1.1);
  for (let groove = 0; groove < 13; groove++) {
    const radius = 66 + groove * 7.6;
    for (const half of [0, Math.PI]) {
      const point = (angle: number): string => `${n(cx + radius * Math.cos(angle))} ${n(cy + radius * Math.sin(angle))}`;
      const spread = 0.42 + 0.2 * Math.sin(groove * 1.3);
      plate.stroke(`M${point(shine + half - spread)}A${n(radius)} ${n(radius)} 0 0 1 ${point(shine + half + spread)}`, 'white-line');
    }
  }
  plate.add(circle(cx, cy, 56), { fill: 'tint', tone: 0.2, spacing: 5 });
  plate.add(circle(cx, cy, 40), { fill: 'none' });
  plate.add(circle(cx, cy, 7), {});
  plate.add(circle(516, 80, 34), { tone: ballTone(516, 80, 34, 0.9), spacing: 5, angle: 30 });
  plate.add(polygon([[508, 84], [524, 84], [516, 262], [448, 306], [440, 296], [504, 254]]), { fill: 'paper', tone: 0.2, angle: 60, spacing: 5 });
  plate.add(polygon([[452, 282], [466, 300], [432, 326], [418, 308]]), { fill: 'ink' });
}

/** Coins in rising piles. */
export function coins(plate: Plate): void {
  const { rng } = plate;
  const light = rng.pick([80, 520]);
  raySky(plate, light, 70, 34);
  plate.add(rect(-5, 330, 610, 80), { fill: 'pale', tone: (_, y) => 0.3 + (y - 330) / 130 });
  const piles = rng.int(4, 5);
  const rising = light === 80;
  for (let pile = 0; pile < piles; pile++) {
    const rank = rising ? pile : piles - 1 - pile;
    const x = 300 + (pile - (piles - 1) / 2) * 112;
    const count = 2 + rank * 2 + rng.int(0, 1);
    plate.add(ellipse(x + 14, 354, 58, 14), { fill: 'ink', outline: false });
    for (let coin = 0; coin < count; coin++) {
      const [cx, y] = [x + rng.range(-4, 4), 346 - coin * 21];
      plate.add(within(polygon([[cx - 50, y - 18], [cx + 50, y - 18], [cx + 50, y + 2], [cx + 34, y + 9], [cx, y + 13], [cx - 34, y + 9], [cx - 50, y + 2]]), everything()), { fill: 'tint', angle: 90, spacing: 5, tone: (px) => 0.15 + Math.max(0, (px - cx + 20) / 80) });
      plate.add(ellipse(cx, y - 18, 50, 13), { fill: coin === count - 1 ? 'paper' : 'tint' });
      if (coin === count - 1) plate.add(ellipse(cx, y - 18, 36, 8.5), { fill: 'pale', tone: 0.25 });
    }
  }
}

/** A chip and the paths that leave it. */
export function chip(plate: Plate): void {
  const { rng } = plate;
  plate.add(everything(), { tone: (x, y) => 0.55 + 0.3 * Math.min(1, Math.hypot(x - 300, y - 200) / 330), outline: false, angle: 90 });
  const half = rng.range(84, 100);
  let paths = '';
  for (let pin = 0; pin < 9; pin++) {
    const at = -half + 14 + (pin * (2 * half - 28)) / 8;
    for (const side of [-1, 1]) {
      const [out, far, turn] = [half + rng.range(20, 70), rng.range(200, 330), at * rng.range(1.1, 1.6)];
      paths += `M${n(300 + at)} ${n(200 + side * half)}V${n(200 + side * (half + (out - half) * 0.5))}L${n(300 + turn)} ${n(200 + side * (half + 46))}V${n(200 + side * 230)}`;
      paths += `M${n(300 + side * half)} ${n(200 + at)}H${n(300 + side * out)}l${n(side * Math.abs(at) * 0.5)} ${n(at * 0.5)}H${n(300 + side * far)}`;
      plate.add(circle(300 + side * far, 200 + at * 1.5, 6), { fill: 'paper' });
    }
  }
  plate.stroke(paths, 'white-line');
  for (let pin = 0; pin < 9; pin++) {
    const at = -half + 14 + (pin * (2 * half - 28)) / 8;
    for (const side of [-1, 1]) {
      plate.add(rect(300 + at - 4, side < 0 ? 200 - half - 15 : 200 + half, 8, 15), {});
      plate.add(rect(side < 0 ? 300 - half - 15 : 300 + half, 200 + at - 4, 15, 8), {});
    }
  }
  plate.add(rect(300 - half, 200 - half, 2 * half, 2 * half), { tone: (x, y) => 0.1 + (x + y - 340) / 700, angle: 45 });
  plate.add(rect(300 - half * 0.6, 200 - half * 0.6, 1.2 * half, 1.2 * half), { fill: 'tint', tone: (x, y) => 0.15 + (x - y + 60) / 400 });
  plate.add(circle(300 - half + 17, 200 - half + 17, 6), { fill: 'ink' });
}

/** A mast that sends. */
export function mast(plate: Plate): void {
  const { rng } = plate;
  const x = rng.range(220, 380);
  glowSky(plate, x, 90, 330, 0.7);
  for (let wave = 1; wave <= 6; wave++) {
    const radius = 26 + wave * 34;
    for (const side of [-1, 1]) {
      const point = (r: number, a: number): Point => [x + side * r * Math.cos(a), 84 + r * Math.sin(a)];
      const arc = Array.from({ length: 13 }, (_, at) => at / 12 - 0.5);
      plate.add(polygon([...arc.map((t) => point(radius, t * 1.3)), ...arc.reverse().map((t) => point(radius + 9 * (1 - 4 * t * t) + 2, t * 1.3))]), { fill: wave % 2 === 0 ? 'tint' : 'paper' });
    }
  }
  const ground = (px: number): number => 338 + 12 * Math.sin(px * 0.009 + x);
  let lattice = '';
  const half = (y: number): number => 3 + ((y - 84) / 270) * 52;
  for (let y = 110; y < 340; y += 12 + (y - 84) * 0.13) {
    const next = Math.min(350, y + 12 + (y - 84) * 0.13);
    lattice += `M${n(x - half(y))} ${n(y)}L${n(x + half(next))} ${n(next)}M${n(x + half(y))} ${n(y)}L${n(x - half(next))} ${n(next)}M${n(x - half(y))} ${n(y)}H${n(x + half(y))}`;
  }
  for (const side of [-1, 1]) plate.add(polygon([[x + side * 2, 84], [x + side * 6, 84], [x + side * 60, 352], [x + side * 50, 352]]), { fill: 'ink' });
  plate.stroke(lattice);
  plate.add(circle(x, 80, 11), { fill: 'tint' });
  plate.add(below(ground), { fill: 'pale', tone: (_, y) => 0.5 + (y - 330) / 130, angle: -14 });
}

/** A leaf, every vein cut. */
export function leaf(plate: Plate): void {
  const { rng } = plate;
  if (rng.chance(0.5)) raySky(plate, 300, 200, 30);
  else glowSky(plate, 300, 200, 330, 0.75);
  const lean = rng.range(-0.9, 0.9);
  const turned = (x: number, y: number): Point => [300 + x * Math.cos(lean) - y * Math.sin(lean), 205 + x * Math.sin(lean) + y * Math.cos(lean)];
  const half = (t: number): number => 92 * Math.sin(Math.PI * t ** 0.82) ** 1.25 * (1 - 0.1 * t);
  const side = (sign: number): Point[] => Array.from({ length: 25 }, (_, at) => turned(sign * half(at / 24) * (1 + 0.035 * (at % 2)), -165 + (300 * at) / 24));
  const middle = [turned(0, -165), turned(0, 135)];
  const degrees = (lean * 180) / Math.PI;
  plate.add(polygon([...side(-1), ...middle.slice().reverse()]), { fill: 'pale', tone: 0.3, angle: degrees + 40 });
  plate.add(polygon([...side(1), ...middle.slice().reverse()]), { fill: 'tint', tone: 0.5, angle: degrees - 40 });
  let veins = '';
  const move = ([x, y]: Point): string => `${n(x)} ${n(y)}`;
  for (let at = 3; at < 22; at += 3) {
    const y = -165 + (300 * (at + 2)) / 24;
    for (const sign of [-1, 1]) veins += `M${move(turned(0, y))}L${move(turned(sign * half(at / 24) * 0.92, -165 + (300 * at) / 24))}`;
  }
  plate.stroke(veins);
  plate.add(polygon([turned(-3, -160), turned(3, -160), turned(6, 185), turned(-6, 185)]), { fill: 'ink' });
}

/** Pen and inkwell. */
export function quill(plate: Plate): void {
  const { rng } = plate;
  glowSky(plate, 180, 80, 420, 0.6);
  plate.add(rect(-5, 318, 610, 90), { fill: 'pale', tone: (_, y) => 0.3 + (y - 318) / 140 });
  plate.add(polygon([[60, 352], [330, 326], [372, 384], [84, 400]]), { fill: 'paper' });
  let lines = '';
  for (let line = 0; line < 4; line++) lines += `M${n(98 + line * 5)} ${n(358 + line * 10)}L${n(310 + line * 9 - rng.range(0, 60))} ${n(338 + line * 11)}`;
  plate.stroke(lines);
  const x = rng.range(410, 450);
  plate.add(ellipse(x + 24, 356, 96, 14), { fill: 'ink', outline: false });
  plate.add(polygon([[x - 66, 352], [x - 72, 286], [x - 34, 256], [x + 34, 256], [x + 72, 286], [x + 66, 352]]), { fill: 'tint', tone: (px) => 0.15 + Math.max(0, (px - x + 20) / 100), angle: 90, spacing: 5 });
  plate.add(rect(x - 34, 240, 68, 20), { fill: 'ink' });
  const lean = rng.range(210, 260);
  const spine = (t: number): Point => [x - lean * t + 30 * t * (1 - t), 250 - 222 * t];
  const barb = (sign: number): Point[] => Array.from({ length: 21 }, (_, at) => {
    const t = 0.28 + (0.72 * at) / 20;
    const [sx, sy] = spine(t);
    const out = 46 * Math.sin(Math.PI * ((t - 0.28) / 0.72) ** 0.7) * (1 - 0.1 * (at % 2));
    return [sx + sign * out * 0.72, sy - sign * out * 0.7];
  });
  const stem = Array.from({ length: 9 }, (_, at) => spine(1 - (0.72 * at) / 8));
  plate.add(polygon([...barb(-1), ...stem]), { tone: 0.25, angle: 20, spacing: 5 });
  plate.add(polygon([...barb(1), ...stem]), { tone: 0.55, angle: 75, spacing: 5 });
  plate.stroke(`M${Array.from({ length: 13 }, (_, at) => spine(at / 12).map(n).join(' ')).join('L')}`);
}

/** Whorls of a fingerprint under the lens. */
export function fingerprint(plate: Plate): void {
  const { rng } = plate;
  const [cx, cy] = [rng.range(250, 290), 190];
  plate.add(everything(), { tone: (x, y) => 0.2 + 0.6 * Math.min(1, Math.hypot(x - cx, y - cy) / 360), angle: 45, outline: false });
  plate.add(polygon([[cx + 100, cy + 112], [cx + 122, cy + 90], [cx + 262, cy + 196], [cx + 232, cy + 226]]), { fill: 'tint', tone: (x, y) => (x - y > cx - cy + 20 ? 0.7 : 0.2), angle: 38, spacing: 5 });
  plate.add(circle(cx, cy, 158), { fill: 'ink' });
  plate.add(circle(cx, cy, 143), { fill: 'paper' });
  const [a, b] = [rng.range(0, 6), rng.range(0, 6)];
  for (let ridge = 0; ridge < 11; ridge++) {
    const radius = 8 + ridge * 9.6;
    const gap = rng.range(0, 6.28);
    const points = Array.from({ length: 60 }, (_, at): string => {
      const t = gap + 0.16 + ((2 * Math.PI - 0.32) * at) / 59;
      const reach = radius * (1 + 0.07 * Math.sin(2 * t + a) + 0.035 * Math.sin(5 * t + b + ridge * 0.3));
      return `${n(cx + ridge * 0.4 + reach * Math.cos(t))} ${n(cy + 10 - ridge + 1.08 * reach * Math.sin(t))}`;
    });
    plate.stroke(`M${points.join('L')}`, 'bold-line');
  }
  plate.add(circle(cx, cy, 143), { fill: 'none' });
  plate.stroke(`M${n(cx - 112)} ${n(cy - 40)}A120 120 0 0 1 ${n(cx - 30)} ${n(cy - 116)}`, 'line');
}

/** A balloon among clouds: travel and leisure. */
export function balloon(plate: Plate): void {
  const { rng } = plate;
  const [x, y, r] = [rng.range(240, 360), 150, 112];
  glowSky(plate, rng.pick([60, 540]), 90, 480, 0.6);
  cloud(plate, x < 300 ? 500 : 90, 130, 170, 0.5);
  const shape = around(x, y, (a) => r * (1 + 0.1 * Math.max(0, Math.sin(a)) ** 3), 60);
  plate.add(shape, { fill: 'paper' });
  for (let gore = -2; gore <= 2; gore += 2) {
    const half = (py: number): number => Math.sqrt(Math.max(0, 1 - ((py - y) / (r * 1.08)) ** 2)) * r;
    const points: Point[] = [];
    for (let py = y - r; py <= y + r; py += 8) points.push([x + half(py) * ((gore - 0.5) / 2.5), py]);
    for (let py = y + r; py >= y - r; py -= 8) points.push([x + half(py) * ((gore + 0.5) / 2.5), py]);
    plate.add(polygon(points), { fill: 'tint' });
  }
  plate.add(shape, { fill: 'none', tone: ballTone(x, y, r, 0.85), angle: 90, spacing: 5 });
  plate.stroke(`M${n(x - 62)} ${n(y + 98)}L${n(x - 22)} ${n(y + 176)}M${n(x + 62)} ${n(y + 98)}L${n(x + 22)} ${n(y + 176)}M${n(x)} ${n(y + 120)}V${n(y + 176)}`);
  plate.add(polygon([[x - 26, y + 174], [x + 26, y + 174], [x + 20, y + 210], [x - 20, y + 210]]), { fill: 'ink' });
  cloud(plate, rng.range(100, 220), 350, 240, 0.5);
  cloud(plate, rng.range(400, 520), 372, 260, 0.5);
}
