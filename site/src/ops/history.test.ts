import { expect, test } from 'vitest';
import { History } from './history';

const past = { every_ms: 1000, graphs: [], at_ms: [1000, 2000, 3000], series: { lag: [1, 2, 3], late: [9] } };

test('what the program remembers comes first, in columns of one length', () => {
  const history = new History();
  history.load(past);
  expect(history.read(['lag', 'late', 'none'])).toEqual([[1, 2, 3], [1, 2, 3], [null, null, 9], [null, null, null]]);
});

test('several points in one step are one: the last', () => {
  const history = new History();
  history.load(past);
  expect(history.add(4000, { lag: 4 })).toBe(true);
  expect(history.add(4900, { lag: 5 })).toBe(false);
  expect(history.add(5000, { lag: 6 })).toBe(true);
  expect(history.read(['lag'])).toEqual([[1, 2, 3, 4, 5], [1, 2, 3, 5, 6]]);
});

test('a series that begins later is null before, and null where nothing was said', () => {
  const history = new History();
  history.add(1000, { lag: 1 });
  history.add(2000, { 'lag.10': 2 });
  history.add(3000, { 'lag.2': 3 });
  expect(history.read(['lag', 'lag.10'])).toEqual([[1, 2, 3], [1, null, null], [null, 2, null]]);
  expect(history.named('lag.')).toEqual(['lag.2', 'lag.10']);
});

test('it never holds more than its limit, nor series without end', () => {
  const history = new History(10);
  for (let second = 1; second <= 50; second += 1) history.add(second * 1000, { lag: second, [`of ${second}`]: 1 });
  for (let name = 0; name < 500; name += 1) history.add(50_000, { [`name ${name}`]: 1 });
  const [at, lag] = history.read(['lag']);
  expect(at).toHaveLength(10);
  expect(lag).toEqual([41, 42, 43, 44, 45, 46, 47, 48, 49, 50]);
  expect(history.named('').length).toBeLessThanOrEqual(200);
});

test('a point from before the last is dropped', () => {
  const history = new History();
  history.load(past);
  expect(history.add(1500, { lag: 7 })).toBe(false);
  expect(history.read(['lag'])).toEqual([[1, 2, 3], [1, 2, 3]]);
});
