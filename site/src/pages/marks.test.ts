import { describe, expect, it } from 'vitest';
import type { Slate } from '../api/types';
import { marksOf } from './marks';

const slate = (...ids: number[]): Slate =>
  ({ recommendations: ids.map((id) => ({ article_id: id })) }) as unknown as Slate;

describe('the marks on a page that was set anew', () => {
  it('are none without a page before', () => {
    expect(marksOf(slate(1, 2, 3), undefined).size).toBe(0);
  });

  it('are on what was not there before', () => {
    expect([...marksOf(slate(1, 9, 2, 3), slate(1, 2, 3, 4))]).toEqual([[9, 'arrived']]);
  });

  it('are on what rose, and not on what moved up because others left', () => {
    expect([...marksOf(slate(5, 1, 2, 3, 4, 6), slate(1, 2, 3, 4, 5, 6))]).toEqual([[5, 'rose']]);
    expect(marksOf(slate(4, 5, 6, 7, 8), slate(1, 2, 3, 4, 5, 6, 7, 8)).size).toBe(0);
  });

  it('are none when nearly everything would have one', () => {
    expect(marksOf(slate(7, 8, 9, 1), slate(1, 2, 3, 4)).size).toBe(0);
  });
});
