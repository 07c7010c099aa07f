import { expect, test } from 'vitest';
import { moves } from './compare';

const page = (...ids: number[]) => ids.map((article_id) => ({ article_id }));

test('the page of now says what is new and what moved, that of then what is gone', () => {
  expect(moves(page(1, 2, 3), page(1, 3, 4), true)).toEqual([undefined, { kind: 'new' }, { kind: 'moved', by: -1 }]);
  expect(moves(page(1, 3, 4), page(1, 2, 3), false)).toEqual([undefined, undefined, { kind: 'gone' }]);
});
