import type { Slate } from '../api/types';
import { kept, visit } from '../storage';

/** The latest front page of each reader in this visit: shown at once on coming back, until the next one is there. */
const slates = new Map<string, Slate>();

export const lastSlate = (userId: string): Slate | undefined => slates.get(userId);

export function rememberSlate(userId: string, slate: Slate): void {
  slates.set(userId, slate);
  rememberImpression(userId, slate);
  rememberSections(slate);
}

export function forgetSlate(userId: string): void {
  slates.delete(userId);
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

/** The sections of the paper, as far as this browser has seen them. */
const SECTIONS = 'sections';

export const knownSections = (): string[] => kept.get<string[]>(SECTIONS) ?? [];

function rememberSections(slate: Slate): void {
  const sections = new Set(knownSections());
  for (const { category } of slate.recommendations) if (category) sections.add(category);
  kept.set(SECTIONS, [...sections].sort((a, b) => a.localeCompare(b)).slice(0, 40));
}
