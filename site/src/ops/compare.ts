import type { Card } from './types';

export type Move = { kind: 'new' } | { kind: 'gone' } | { kind: 'moved'; by: number } | undefined;

/** Where the cards of `page` stand against another page: `now` tells which of the two is the later one. */
export function moves(page: readonly Card[], other: readonly Card[], now: boolean): Move[] {
  const places = new Map(other.map((card, place) => [card.article_id, place]));
  return page.map((card, place) => {
    const before = places.get(card.article_id);
    if (before === undefined) return { kind: now ? 'new' : 'gone' };
    return now && before !== place ? { kind: 'moved', by: before - place } : undefined;
  });
}
