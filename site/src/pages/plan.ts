import type { Recommendation } from '../api/types';

export interface FrontPlan {
  lead: Recommendation;
  second: Recommendation[];
  third: Recommendation[];
  /** The rest by category, in the order of each one's best story. */
  sections: { name: string; cards: Recommendation[] }[];
}

const SECOND = 2;
const THIRD = 4;

/** Gives each story of a slate (best first, at least one) its place on the front page; `noSection` is the name of the section of those without one. */
export function planFront(cards: readonly Recommendation[], noSection: string): FrontPlan {
  const [lead, ...others] = cards;
  if (!lead) throw new Error('a front page needs a story');
  const sections = new Map<string, Recommendation[]>();
  for (const card of others.slice(SECOND + THIRD)) {
    const name = card.category || noSection;
    sections.set(name, [...(sections.get(name) ?? []), card]);
  }
  return {
    lead,
    second: others.slice(0, SECOND),
    third: others.slice(SECOND, SECOND + THIRD),
    sections: [...sections].map(([name, inSection]) => ({ name, cards: inSection })),
  };
}
