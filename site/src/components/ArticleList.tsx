import type { Card } from '../api/types';
import { Story } from './Story';

/** Articles as a list with their times, without pictures; their headings lie at `level`. */
export function ArticleList({ cards, level }: { cards: readonly Card[]; level: 2 | 3 }) {
  return (
    <div class="archive-list">
      {cards.map((card) => (
        <Story key={card.article_id} card={card} rank="brief" level={level} dated />
      ))}
    </div>
  );
}
