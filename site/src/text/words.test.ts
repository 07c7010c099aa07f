import { describe, expect, it } from 'vitest';
import { planFront } from '../pages/plan';
import { duration, madeBy, moment, paragraphs, slug } from './words';

describe('how a page was made', () => {
  it('has words for the paths of the read path', () => {
    expect(madeBy('reranker')).toContain('reranker');
    expect(madeBy('trending')).toBe('Most read in the last hours');
    expect(madeBy('fallback_trending')).toBe('Most read in the last hours');
    expect(madeBy('preferences')).toContain('topics');
    expect(madeBy('night_desk')).toBe('Set by night desk');
    expect(madeBy(undefined)).toBe('Set by the newsroom');
  });
});

describe('text', () => {
  it('is cut into paragraphs at blank lines', () => {
    expect(paragraphs('One\nline.\n\n  Two. \r\n\r\n\n\nThree.\n')).toEqual(['One line.', 'Two.', 'Three.']);
    expect(paragraphs(undefined)).toEqual([]);
  });

  it('reads a time without zone as UTC', () => {
    expect(moment('2024-01-01T12:00:00')?.toISOString()).toBe('2024-01-01T12:00:00.000Z');
    expect(moment('2024-01-01T12:00:00+02:00')?.toISOString()).toBe('2024-01-01T10:00:00.000Z');
    expect(moment('yesterday')).toBeUndefined();
  });

  it('says seconds as a person does', () => {
    expect(duration(12.4)).toBe('12 s');
    expect(duration(125)).toBe('2 min 05 s');
    expect(duration(59.7)).toBe('1 min 00 s');
    expect(duration(119.6)).toBe('2 min 00 s');
    expect(duration(null)).toBe('–');
  });

  it('makes ids of section names', () => {
    expect(slug('Privatøkonomi & Penge')).toMatch(/^[a-z0-9-]+$/);
    expect(slug('***')).toBe('section');
  });
});

describe('the front page', () => {
  const cards = Array.from({ length: 12 }, (_, at) => ({
    article_id: at,
    title: `${at}`,
    subtitle: '',
    category: at % 2 === 0 ? 'A' : 'B',
    published_time: '2026-11-01T12:00:00Z',
    score: 1 - at / 20,
  }));

  it('gives every story of the slate one place, best first', () => {
    const plan = planFront(cards, 'News');
    expect(plan.lead.article_id).toBe(0);
    const placed = [plan.lead, ...plan.second, ...plan.third, ...plan.sections.flatMap((section) => section.cards)];
    expect(placed.map((card) => card.article_id).sort((a, b) => a - b)).toEqual(cards.map((card) => card.article_id));
    expect(plan.sections.map(({ name }) => name)).toEqual(['B', 'A']);
  });

  it('can be set from a single story', () => {
    expect(planFront(cards.slice(0, 1), 'News')).toMatchObject({ second: [], third: [], sections: [] });
  });
});
