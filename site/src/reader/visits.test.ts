import { beforeEach, describe, expect, it } from 'vitest';
import { kept, visit } from '../storage';
import { forgetVisits, lastVisit, noteVisit } from './visits';

/** Ends the visit as closing the browser does. */
const leave = (): void => visit.remove('since.maren');

describe('the last visit', () => {
  beforeEach(() => {
    forgetVisits('maren');
    forgetVisits('other');
  });

  it('is none on a first visit, and stays none until it ends', () => {
    expect(lastVisit('maren')).toBeUndefined();
    noteVisit('maren', ['2026-11-27T10:00:00Z']);
    expect(lastVisit('maren')).toBeUndefined();
  });

  it('was when the newest article of then was the newest', () => {
    noteVisit('maren', ['2026-11-27T10:00:00Z', '2026-11-27T12:00:00Z', '2026-11-27T11:00:00Z']);
    leave();
    expect(lastVisit('maren')).toBe('2026-11-27T12:00:00Z');
    noteVisit('maren', ['2026-11-27T15:00:00Z']);
    expect(lastVisit('maren')).toBe('2026-11-27T12:00:00Z');
    leave();
    expect(lastVisit('maren')).toBe('2026-11-27T15:00:00Z');
  });

  it('does not go back when the newest article is withdrawn', () => {
    noteVisit('maren', ['2026-11-27T12:00:00Z']);
    leave();
    noteVisit('maren', ['2026-11-27T09:00:00Z']);
    leave();
    expect(lastVisit('maren')).toBe('2026-11-27T12:00:00Z');
  });

  it('is each reader’s own, and is forgotten with the reader', () => {
    noteVisit('maren', ['2026-11-27T12:00:00Z']);
    leave();
    expect(lastVisit('other')).toBeUndefined();
    forgetVisits('maren');
    expect(lastVisit('maren')).toBeUndefined();
    expect(kept.keys('newest.')).toEqual([]);
  });
});
