import { expect, test } from 'vitest';
import { layOut, layersOf } from './layout';
import type { Plan } from './layout';

const line = (count: number): [number, number][] => Array.from({ length: count - 1 }, (_, at) => [at, at + 1]);
const plan = (over: Partial<Plan>): Plan => ({ widths: [80, 80, 80], edges: line(3), room: 1000, height: 30, gap: 60, rowGap: 30, margin: 14, ...over });

test('a node stands one layer after the last that leads to it', () => {
  expect(layersOf(5, [[0, 1], [1, 2], [0, 2], [2, 4], [3, 4]])).toEqual([0, 1, 2, 0, 3]);
});

test('a circle ends, and every node has a layer', () => {
  const layers = layersOf(3, [[0, 1], [1, 2], [2, 0]]);
  expect(layers).toHaveLength(3);
  expect(layers.every((layer) => layer >= 0 && layer < 3)).toBe(true);
  expect(layOut(plan({ edges: [[0, 1], [1, 2], [2, 0]] })).boxes).toHaveLength(3);
});

test('a line is one row while it fits, joined by straight lines', () => {
  const { boxes, routes, width, height } = layOut(plan({}));
  expect(boxes.map((box) => box.x)).toEqual([14, 154, 294]);
  expect(new Set(boxes.map((box) => box.y))).toEqual(new Set([0]));
  expect(width).toBe(388);
  expect(height).toBe(30);
  expect(routes[0]).toEqual({ path: 'M94 15H154', labelX: 124, labelY: 15, endX: 154, endY: 15 });
});

test('a line that does not fit goes on in the next row, within the room', () => {
  const { boxes, routes, width, height } = layOut(plan({ widths: new Array<number>(15).fill(80), edges: line(15), room: 600 }));
  expect(width).toBeLessThanOrEqual(600);
  expect(new Set(boxes.map((box) => box.y)).size).toBe(4);
  expect(height).toBe(4 * 30 + 3 * 30);
  expect(routes.every((route) => route.path.startsWith('M'))).toBe(true);
});

test('even one box wider than the room has a place', () => {
  const { boxes } = layOut(plan({ room: 50 }));
  expect(boxes.map((box) => box.y)).toEqual([0, 60, 120]);
});

test('boxes never lie on one another, whatever the graph', () => {
  // A small generator with a fixed seed: the same graphs each time.
  let seed = 7;
  const dice = (sides: number): number => (seed = (seed * 16807) % 2147483647) % sides;
  for (let graph = 0; graph < 200; graph += 1) {
    const widths = Array.from({ length: 2 + dice(12) }, () => 40 + dice(90));
    const edges = Array.from({ length: dice(18) }, (): [number, number] => [dice(widths.length), dice(widths.length)]);
    const { boxes } = layOut(plan({ widths, edges, room: 200 + dice(900) }));
    for (const [at, a] of boxes.entries()) {
      for (const b of boxes.slice(at + 1)) {
        const apart = a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;
        expect(apart, `graph ${graph}`).toBe(true);
      }
    }
  }
});

test('a graph of nothing is nothing', () => {
  expect(layOut(plan({ widths: [], edges: [] }))).toEqual({ width: 0, height: 0, boxes: [], routes: [] });
});
