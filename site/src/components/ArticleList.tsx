import type { Card } from '../api/types';
import { Story } from './Story';

/** Articles as a list with their times, without pictures. */
export function ArticleList({ cards }: { cards: readonly Card[] }) {
  return (
    <div class="archive-list">
      {cards.map((card) => (
        <Story key={card.article_id} card={card} rank="brief" dated />
      ))}
    </div>
  );
}
