import type { Card, Slate } from '../api/types';
import { paperTime } from '../api/time';
import { kept, visit } from '../storage';
import { rememberSections } from './sections';

/** A front page, and when it was set. */
export interface Edition {
  slate: Slate;
  /** RFC 3339. */
  setAt: string;
}

/**
 * The latest front page of each reader: shown at once on coming back, until the next one is there, and after a reload
 * while the newsroom does not answer.
 */
const editions = new Map<string, Edition>();
const editionKey = (userId: string): string => `edition.${userId}`;
const EDITIONS_KEPT = 4;

/** As shown in this visit. */
export const lastEdition = (userId: string): Edition | undefined => editions.get(userId);

/** As kept from an earlier visit. */
export const keptEdition = (userId: string): Edition | undefined => editions.get(userId) ?? kept.get<Edition>(editionKey(userId));

export function rememberSlate(userId: string, slate: Slate): Edition {
  const edition = { slate, setAt: paperTime().toISOString() };
  editions.set(userId, edition);
  for (const key of kept.keys('edition.').slice(0, -EDITIONS_KEPT)) kept.remove(key);
  kept.set(editionKey(userId), edition);
  rememberImpression(userId, slate);
  rememberSections(slate.recommendations);
  return edition;
}

/** Takes what the server printed for everybody as the reader's edition, where there is none from an earlier visit. */
export function rememberPrinted(userId: string, cards: readonly Card[]): void {
  if (keptEdition(userId) || cards.length === 0) return;
  const slate: Slate = {
    user_id: userId,
    recommendations: cards.map((card) => ({ ...card, score: 0 })),
    impression_id: '',
    served_by: 'newest',
    fresh: true,
    state: { namespace: '', partition: 0, reads: 0 },
  };
  editions.set(userId, { slate, setAt: paperTime().toISOString() });
}

export function forgetSlate(userId: string): void {
  editions.delete(userId);
  kept.remove(editionKey(userId));
  visit.remove(impressionsKey(userId));
}

/** Which slate led to which article: a read names the impression it came from, also after a reload. */
const impressionsKey = (userId: string): string => `impressions.${userId}`;
const IMPRESSIONS_KEPT = 100;

export function rememberImpression(userId: string, slate: Slate): void {
  if (!slate.impression_id) return;
  const known = new Map(visit.get<[number, string][]>(impressionsKey(userId)) ?? []);
  for (const { article_id: id } of slate.recommendations) {
    known.delete(id);
    known.set(id, slate.impression_id);
  }
  visit.set(impressionsKey(userId), [...known].slice(-IMPRESSIONS_KEPT));
}

export const impressionOf = (userId: string, articleId: number): string | undefined =>
  new Map(visit.get<[number, string][]>(impressionsKey(userId)) ?? []).get(articleId);
