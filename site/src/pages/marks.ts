import type { Slate } from '../api/types';
import type { Mark } from '../components/Story';

/** A story that rose by this many places or more is marked. */
const ROSE_BY = 3;

/**
 * What changed on a page that was set anew: the stories that were not on it, and those that rose. When most would be marked,
 * none is, since a mark on everything marks nothing.
 */
export function marksOf(slate: Slate, previous: Slate | undefined): ReadonlyMap<number, Mark> {
  if (!previous) return new Map();
  const before = new Map(previous.recommendations.map((card, place) => [card.article_id, place]));
  const arrived = slate.recommendations.map((card) => card.article_id).filter((id) => !before.has(id));
  if (arrived.length > slate.recommendations.length / 2) return new Map();
  const marks = new Map<number, Mark>(arrived.map((id) => [id, 'arrived']));
  // What only moved up because others left did not rise.
  const stayed = previous.recommendations.filter((card) => slate.recommendations.some((now) => now.article_id === card.article_id));
  const order = new Map(stayed.map((card, place) => [card.article_id, place]));
  slate.recommendations
    .filter((card) => order.has(card.article_id))
    .forEach((card, place) => {
      if ((order.get(card.article_id) ?? 0) - place >= ROSE_BY) marks.set(card.article_id, 'rose');
    });
  return marks;
}
