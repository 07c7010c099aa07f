import type { Plate } from '../plate';
import { below, circle, ellipse, everything, n, polygon, rect } from '../shapes';
import type { Point } from '../shapes';
import { ballTone, birds, glowSky, nightSky, raySky, rolling, sea, sparkle, sun } from './scenery';

/** A ballot box and the hand's slip above it. */
export function ballot(plate: Plate): void {
  const { rng } = plate;
  raySky(plate, 300, 214, 40);
  const [x, y] = [300, 214];
  plate.add(rect(-5, 344, 610, 70), { fill: 'pale', tone: (_, py) => 0.3 + (py - 344) / 110 });
  plate.add(polygon([[x - 130, y], [x + 130, y], [x + 130, y + 152], [x - 130, y + 152]]), { fill: 'paper', tone: (px) => 0.12 + Math.max(0, (px - x + 40) / 260), angle: 90 });
  plate.add(polygon([[x + 130, y], [x + 176, y - 28], [x + 176, y + 122], [x + 130, y + 152]]), { fill: 'tint', tone: 0.6, angle: 58, spacing: 5 });
  plate.add(polygon([[x - 146, y + 2], [x + 136, y + 2], [x + 190, y - 34], [x - 92, y - 34]]), { fill: 'tint', tone: 0.16 });
  plate.add(polygon([[x - 52, y - 13], [x + 76, y - 13], [x + 84, y - 19], [x - 44, y - 19]]), { fill: 'ink' });
  const lean = rng.range(-22, 22);
  plate.add(polygon([[x - 40, y - 15], [x + 68, y - 17], [x + 68 + lean, y - 128], [x - 40 + lean, y - 126]]), { fill: 'paper' });
  const [mx, my] = [x + 14 + lean * 0.65, y - 84];
  plate.stroke(`M${n(mx - 16)} ${n(my)}l13 15l26 -34M${n(mx - 34)} ${n(my + 34)}h62M${n(mx - 36)} ${n(my + 46)}h54`);
  plate.add(circle(x, y + 76, 36), { fill: 'tint', tone: ballTone(x, y + 76, 36, 0.7), spacing: 5 });
  plate.add(sparkle(x, y + 76, 25), {});
}

/** Scales that have yet to settle. */
export function scales(plate: Plate): void {
  const { rng } = plate;
  const light = rng.pick([70, 530]);
  plate.add(everything(), { tone: (x, y) => 0.1 + 0.72 * Math.min(1, Math.hypot(x - light, y - 60) / 560), outline: false, angle: rng.pick([0, 90]) });
  plate.add(rect(-5, 340, 610, 70), { fill: 'pale', tone: (_, y) => 0.4 + (y - 340) / 110 });
  const tip = rng.range(0.06, 0.16) * (rng.chance(0.5) ? 1 : -1);
  plate.add(polygon([[292, 96], [308, 96], [314, 330], [286, 330]]), { fill: 'tint', tone: (x) => Math.max(0, (x - 296) / 14), angle: 90, spacing: 4 });
  plate.add(polygon([[222, 352], [240, 328], [360, 328], [378, 352]]), { fill: 'tint', tone: (x) => 0.1 + Math.max(0, (x - 280) / 110), angle: 90, spacing: 5 });
  const arm = 176;
  for (const side of [-1, 1]) {
    const [ex, ey] = [300 + side * arm * Math.cos(tip), 102 + side * arm * Math.sin(tip)];
    plate.stroke(`M${n(ex)} ${n(ey)}L${n(ex - 66)} ${n(ey + 136)}M${n(ex)} ${n(ey)}L${n(ex + 66)} ${n(ey + 136)}`);
    const bowl: Point[] = Array.from({ length: 17 }, (_, at) => [ex - 76 + (152 * at) / 16, ey + 136 + 34 * Math.sin((Math.PI * at) / 16)]);
    plate.add(polygon(bowl), { fill: 'tint', tone: (x) => 0.2 + Math.max(0, (x - ex + 10) / 90), spacing: 5 });
    plate.add(polygon([[300, 92], [ex, ey - 6], [ex, ey + 6], [300, 114]]), { fill: 'ink' });
    plate.add(circle(ex, ey, 8), {});
  }
  plate.add(circle(300, 92, 19), { tone: ballTone(300, 92, 19, 1), spacing: 4 });
}

/** A rocket above its cloud. */
export function rocket(plate: Plate): void {
  const { rng } = plate;
  nightSky(plate, rng.int(18, 28), 0.9);
  const [mx, my] = [rng.pick([90, 510]), rng.range(70, 120)];
  plate.add(circle(mx, my, 44), { fill: 'pale', tone: ballTone(mx, my, 44, 0.9), spacing: 5, angle: 30 });
  const lean = (mx < 300 ? 1 : -1) * rng.range(0.06, 0.2);
  const at = (x: number, y: number): Point => [300 + x * Math.cos(lean) - y * Math.sin(lean), 190 + x * Math.sin(lean) + y * Math.cos(lean)];
  const degrees = (lean * 180) / Math.PI + 90;
  plate.add(polygon([at(-22, 92), at(-46, 250), at(-14, 190), at(0, 270), at(14, 190), at(46, 250), at(22, 92)]), { fill: 'tint', outline: true });
  for (const side of [-1, 1]) plate.add(polygon([at(side * 34, 30), at(side * 78, 104), at(side * 34, 84)]), { fill: 'tint', tone: side > 0 ? 0.7 : 0.25, angle: degrees, spacing: 5 });
  const half = (t: number): number => 42 * Math.sin(Math.PI * (0.08 + 0.72 * t)) ** 0.85;
  const hull = (sign: number): Point[] => Array.from({ length: 17 }, (_, step) => at(sign * half(step / 16) * (step === 0 ? 0 : 1), -150 + (240 * step) / 16));
  plate.add(polygon([...hull(-1), ...hull(1).reverse()]), { tone: (x, y) => Math.max(0, ((x - 300) * Math.cos(lean) + (y - 190) * Math.sin(lean)) / 40 + 0.12), angle: degrees, spacing: 5 });
  const [wx, wy] = at(0, -50);
  plate.add(circle(wx, wy, 20), { fill: 'tint' });
  plate.add(circle(wx, wy, 12), { fill: 'ink' });
  for (let puff = 0; puff < 13; puff++) {
    const [x, y, r] = [(puff * 127) % 660 - 30, 372 + ((puff * 53) % 30), rng.range(42, 68)];
    plate.add(circle(x, y, r), { tone: (px, py) => 0.75 * Math.max(0, (px - x + (py - y)) / (1.6 * r)), angle: 35, spacing: 6 });
  }
}

/** A lamp of glass, lit. */
export function bulb(plate: Plate): void {
  const { rng } = plate;
  raySky(plate, 300, 166, rng.range(92, 104));
  plate.add(circle(300, 160, 104), { fill: 'pale', tone: ballTone(300, 160, 104, 0.55), angle: -35 });
  plate.add(polygon([[250, 250], [350, 250], [338, 286], [262, 286]]), { fill: 'pale', outline: false });
  plate.stroke('M246 250q14 12 16 36M354 250q-14 12 -16 36');
  plate.stroke('M284 286L276 196l-14 -26M316 286L324 196l14 -26');
  plate.stroke(`M262 170${Array.from({ length: 6 }, (_, at) => `l6.300 ${at % 2 === 0 ? -22 : 22}l6.300 ${at % 2 === 0 ? 22 : -22}`).join('')}`);
  for (let ring = 0; ring < 4; ring++) plate.add(polygon([[262 + ring * 3, 288 + ring * 17], [338 - ring * 3, 284 + ring * 17], [338 - ring * 3, 297 + ring * 17], [262 + ring * 3, 301 + ring * 17]]), { fill: 'tint', tone: (x) => Math.max(0, (x - 290) / 50), angle: 90, spacing: 4 });
  plate.add(polygon([[276, 356], [324, 354], [312, 374], [288, 374]]), { fill: 'ink' });
}

/** An open book with a landscape rising from it. */
export function book(plate: Plate): void {
  const { rng } = plate;
  const light = rng.range(220, 380);
  raySky(plate, light, 168, rng.range(46, 60));
  const ridge = rolling(plate, 214, 30);
  const far = (x: number): number => 276 - (276 - ridge(x)) * Math.sin((Math.PI * (x - 60)) / 480) ** 0.6;
  plate.add(below(far, 300, 60, 540), { fill: 'tint', angle: -20, tone: (x, y) => 0.25 + (y - far(x)) / 160 });
  birds(plate, 3, 600 - light, 80);
  for (const side of [-1, 1]) {
    const page = (drop: number, from: number): Point[] => Array.from({ length: 15 }, (_, at) => {
      const t = at / 14;
      return [300 + side * t * 262, from + drop - 44 * Math.sin(Math.PI * t * 0.72) + 22 * t] as Point;
    });
    plate.add(polygon([...page(108, 278), [300 + side * 270, 288], [300 + side * 270, 388], [300, 398]]), { fill: 'ink' });
    for (let leaf = 3; leaf >= 0; leaf--) {
      const upper = page(leaf * 7, 272);
      const lower = page(96 + leaf * 5, 278).reverse();
      plate.add(polygon([...upper, ...lower]), { fill: 'paper', ...(leaf === 0 ? { tone: (x: number): number => 0.55 * Math.exp(-Math.abs(x - 300) / 34), angle: 90, spacing: 5 } : {}) });
    }
    let lines = '';
    for (let line = 0; line < 5; line++) {
      const row = page(22 + line * 15, 273).slice(2, line === 4 ? 8 : 13);
      lines += `M${row.map(([x, y]) => `${n(x)} ${n(y)}`).join('L')}`;
    }
    plate.stroke(lines);
  }
}

/** A hanging bridge between two towers. */
export function bridge(plate: Plate): void {
  const { rng } = plate;
  const light = rng.range(230, 370);
  if (rng.chance(0.5)) raySky(plate, light, 190, 58);
  else {
    glowSky(plate, light, 170, 300, 0.7);
    sun(plate, light, 170, 46);
  }
  const shore = rolling(plate, 236, 26);
  plate.add(below(shore), { fill: 'pale', tone: (x, y) => 0.3 + (y - shore(x)) / 200, angle: 24 });
  sea(plate, 266, light);
  const [left, right] = [rng.range(120, 160), rng.range(440, 480)];
  const middle = (left + right) / 2;
  const cable = (x: number): number => {
    if (x < left) return 74 + (left - x) * 1.05;
    if (x > right) return 74 + (x - right) * 1.05;
    return 222 - 148 * ((x - middle) / ((right - left) / 2)) ** 2;
  };
  let hangers = '';
  for (let x = 8; x < 600; x += 15) if (cable(x) < 232) hangers += `M${n(x)} ${n(cable(x))}V236`;
  plate.stroke(hangers);
  const curve: Point[] = Array.from({ length: 101 }, (_, at) => [at * 6, cable(at * 6)]);
  plate.add(polygon([...curve, ...curve.map(([x, y]): Point => [x, y + 5]).reverse()]), { fill: 'ink', outline: false });
  for (const x of [left, right]) {
    for (const leg of [-17, 9]) plate.add(rect(x + leg, 62, 11, 264), { fill: 'tint', tone: (px) => Math.max(0, (px - x - leg) / 12), angle: 90, spacing: 4 });
    for (const y of [66, 112, 160]) plate.add(rect(x - 19, y, 40, 9), { fill: 'tint' });
    plate.add(rect(x - 34, 318, 70, 22), { tone: 0.5, angle: 90 });
  }
  plate.add(rect(-5, 232, 610, 13), { fill: 'paper', tone: 0.5, angle: 90 });
  plate.stroke('M-5 251H605');
}

/** A cup with its ribbon. */
export function trophy(plate: Plate): void {
  const { rng } = plate;
  raySky(plate, 300, 160, rng.range(70, 100));
  plate.add(rect(-5, 342, 610, 70), { fill: 'pale', tone: (_, y) => 0.3 + (y - 342) / 110 });
  for (const side of [-1, 1]) {
    const handle = (r: number): Point[] => Array.from({ length: 19 }, (_, at) => [300 + side * (76 + r * Math.sin((Math.PI * at) / 18)), 136 - r * 0.9 * Math.cos((Math.PI * at) / 18)]);
    plate.add(polygon([...handle(62), ...handle(46).reverse()]), { fill: 'tint' });
  }
  const cup = (t: number): number => 96 * (1 - t ** 2.6) + 14;
  const wall = (sign: number): Point[] => Array.from({ length: 15 }, (_, at) => [300 + sign * cup(at / 14), 74 + (158 * at) / 14]);
  plate.add(polygon([...wall(-1), ...wall(1).reverse()]), { fill: 'tint', tone: (x, y) => Math.max(0, (x - 290) / 130 + (y - 120) / 500) + 0.5 * Math.exp(-(((x - 226) / 12) ** 2)), angle: 90, spacing: 5 });
  plate.add(ellipse(300, 74, 110, 15), { tone: 0.6 });
  plate.add(polygon([[288, 230], [312, 230], [322, 296], [278, 296]]), { fill: 'tint', tone: (x) => Math.max(0, (x - 296) / 20), angle: 90, spacing: 4 });
  plate.add(polygon([[232, 352], [244, 294], [356, 294], [368, 352]]), { fill: 'ink' });
  plate.add(rect(266, 310, 68, 24), { fill: 'paper' });
  plate.add(sparkle(286, 146, 34), { fill: 'paper' });
}

/** An umbrella in driving rain. */
export function umbrella(plate: Plate): void {
  const { rng } = plate;
  plate.add(everything(), { tone: (_, y) => 0.72 - 0.4 * (y / 400), angle: rng.range(-16, -8), outline: false });
  const wet = rng.range(-0.5, -0.3);
  const dry = (x: number, y: number): boolean => Math.abs(x - 300 - (y - 190) * wet) < 172 && y > 140;
  let drops = '';
  for (let drop = 0; drop < 190; drop++) {
    const [x, y, long] = [rng.range(-10, 640), rng.range(-10, 380), rng.range(14, 34)];
    if (!dry(x, y)) drops += `M${n(x)} ${n(y)}l${n(long * wet)} ${n(long)}`;
  }
  plate.stroke(drops, 'white-line');
  plate.add(below((x) => 352 + 4 * Math.sin(x * 0.03)), { fill: 'pale', tone: (x, y) => 0.2 + 0.3 * Math.sin(x * 0.04 + y * 0.4) + (y - 350) / 130, sway: 3 });
  for (const [x, w] of [[130, 60], [480, 80], [300, 120]] as const) plate.add(ellipse(x, 374, w, 7), { fill: 'paper' });
  plate.add(polygon([[296, 110], [304, 110], [304, 350], [296, 350]]), { fill: 'ink' });
  plate.stroke('M300 348q0 26 -20 26t-18 -20');
  const rib = (t: number): Point[] => Array.from({ length: 13 }, (_, at) => [300 + t * 178 * Math.sin((Math.PI / 2) * (at / 12)), 226 - 142 * Math.cos((Math.PI / 2) * (at / 12)) + (1 - Math.abs(t)) * 14 * (at / 12)]);
  const ribs = [-1, -0.62, -0.2, 0.2, 0.62, 1];
  const tinted = rng.int(0, 1);
  for (let gore = 0; gore < 5; gore++) {
    const [a, b] = [ribs[gore] as number, ribs[gore + 1] as number];
    const [from, to] = [rib(a), rib(b)];
    const [ax, ay] = from[12] as Point;
    const [bx, by] = to[12] as Point;
    const scallop: Point[] = Array.from({ length: 9 }, (_, at) => [bx + ((ax - bx) * at) / 8, by + ((ay - by) * at) / 8 - 17 * Math.sin((Math.PI * at) / 8)]).map(([x, y]): Point => [x as number, y as number]).reverse();
    plate.add(polygon([...from, ...scallop, ...to.reverse()]), { fill: gore % 2 === tinted ? 'tint' : 'paper', tone: 0.12 + gore * 0.15, angle: 70 - gore * 35, spacing: 5 });
  }
  plate.add(rect(297, 66, 6, 22), { fill: 'ink' });
}

/** A train coming out of the hills. */
export function train(plate: Plate): void {
  const { rng } = plate;
  glowSky(plate, rng.range(380, 520), 110, 380, 0.55);
  const far = rolling(plate, 190, 40);
  plate.add(below(far), { fill: 'pale', angle: -16, tone: (x, y) => 0.25 + (y - far(x)) / 260 });
  plate.add(below(() => 318), { fill: 'tint', tone: (_, y) => 0.3 + (y - 318) / 120, sway: 3 });
  plate.add(rect(-5, 320, 610, 7), { fill: 'ink' });
  for (let sleeper = 0; sleeper < 22; sleeper++) plate.add(rect(sleeper * 28 - 4, 328, 17, 8), { fill: 'ink' });
  const x = rng.range(350, 400);
  for (let puff = 5; puff >= 0; puff--) plate.add(ellipse(x + 92 - puff * 58, 124 - puff * 11 + rng.range(-4, 4), 26 + puff * 9, 18 + puff * 7), { tone: (_, y) => 0.7 * Math.max(0, (y - 118 + puff * 11) / 44), spacing: 5 });
  for (let car = 0; car < 3; car++) {
    const cx = x - 78 - (car + 1) * 158;
    plate.add(rect(cx, 226, 148, 78), { fill: 'tint', tone: (_, y) => (y > 262 ? 0.55 : 0.1) });
    plate.add(polygon([[cx - 4, 227], [cx + 8, 214], [cx + 140, 214], [cx + 152, 227]]), { fill: 'ink' });
    for (let pane = 0; pane < 4; pane++) plate.add(rect(cx + 13 + pane * 33, 238, 23, 24), { fill: 'paper' });
    for (const wheel of [28, 120]) plate.add(circle(cx + wheel, 307, 14), { tone: 0.5 });
    plate.add(rect(cx + 146, 290, 14, 6), { fill: 'ink' });
  }
  plate.add(rect(x - 78, 196, 62, 108), { fill: 'tint', tone: (_, y) => (y > 250 ? 0.6 : 0.15) });
  plate.add(rect(x - 88, 186, 82, 11), { fill: 'ink' });
  plate.add(rect(x - 62, 210, 32, 32), { fill: 'paper' });
  plate.add(rect(x - 16, 222, 146, 64), { tone: (_, y) => 0.15 + Math.abs(y - 240) / 56 });
  for (const band of [22, 70, 112]) plate.add(rect(x + band - 16, 221, 7, 66), { fill: 'tint' });
  plate.add(polygon([[x + 80, 222], [x + 74, 156], [x + 112, 156], [x + 104, 222]]), { fill: 'ink' });
  plate.add(polygon([[x + 128, 286], [x + 176, 318], [x + 106, 318], [x + 106, 286]]), { fill: 'ink' });
  for (const wheel of [6, 62, 114]) {
    plate.add(circle(x + wheel, 292, 27), { tone: 0.25, angle: 45 });
    plate.add(circle(x + wheel, 292, 8), { fill: 'ink' });
  }
  plate.stroke(`M${n(x + 6)} 292H${n(x + 114)}`);
  plate.add(circle(x + 132, 236, 11), { fill: 'tint' });
}
