import { expect, test } from 'vitest';
import { bytes, clock, count, milliseconds, moment, rate, share } from './format';

test('figures are short, and what is not known is a dash', () => {
  expect([0, 0.04, 0.44, 9.96, 12.4, 9994, 12_345, 123_456, 1_234_567, null].map(rate)).toEqual([
    '0', '0', '0.4', '10', '12', '9,994', '12.3k', '123k', '1.2M', '–',
  ]);
  expect([1.23, 45.6, 1234, null].map(milliseconds)).toEqual(['1.2 ms', '46 ms', '1.2 s', '–']);
  expect([share(0.834), share(null), count(12_345), count(Number.NaN)]).toEqual(['83 %', '–', '12,345', '–']);
  expect([bytes(12), bytes(2048), bytes(3_500_000)]).toEqual(['12 B', '2.0 KiB', '3.3 MiB']);
});

test('times are UTC, with and without a zone', () => {
  expect(moment('2026-11-27T17:00:00.5+02:00')).toBe('2026-11-27 15:00:00');
  const today = Date.parse('2026-11-27T18:00:00Z');
  expect([clock('2026-11-27T17:00:00', today), clock('2026-11-26T17:00:00', today), clock(null, today)]).toEqual(['17:00:00', '2026-11-26 17:00:00', '–']);
  expect([moment('soon'), moment(null)]).toEqual(['–', '–']);
});
