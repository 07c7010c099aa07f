import { expect, test } from 'vitest';
import { share } from './share';

test('what did not change stays the same object, at every depth', () => {
  const last = { a: [{ b: 1 }, { b: 2 }], c: { d: null }, e: 'x' };
  const next = share(last, { a: [{ b: 1 }, { b: 3 }], c: { d: null }, e: 'x' });
  expect(next).not.toBe(last);
  expect(next.a[0]).toBe(last.a[0]);
  expect(next.a[1]).toEqual({ b: 3 });
  expect(next.c).toBe(last.c);
  expect(share(last, structuredClone(last))).toBe(last);
});

test('what came, went or has another shape is a change', () => {
  const last: unknown = { a: [1, 2], b: undefined };
  expect(share(last, { a: [1], b: undefined })).toEqual({ a: [1], b: undefined });
  expect(share(last, { a: { 0: 1, 1: 2 }, b: undefined })).toEqual({ a: { 0: 1, 1: 2 }, b: undefined });
  expect(share(last, { a: [1, 2], c: undefined })).not.toBe(last);
  expect(share(null, [1])).toEqual([1]);
  expect(share([1], null)).toBeNull();
});
