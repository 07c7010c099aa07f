import { article } from '../api/client';
import type { Recommendation } from '../api/types';
import { Illustration } from '../art/Illustration';
import { articlePath } from '../router';

export type Rank = 'lead' | 'second' | 'third' | 'brief' | 'related';

interface Props {
  card: Recommendation;
  rank: Rank;
  /** The path that chose this card, kept on it for whoever looks. */
  servedBy: string | undefined;
  /** The card was not on the page before the latest read. */
  isNew?: boolean;
  /** How deep the heading lies. */
  level?: 2 | 3 | 4;
}

/** Fetches an article that is about to be opened. */
const warm = (id: number) => (): void => void article(id).catch(() => undefined);

/** One card of a slate. The whole card is its link's target; the link itself is the headline. */
export function Story({ card, rank, servedBy, isNew = false, level = 3 }: Props) {
  const Heading = `h${level}` as const;
  const pictured = rank !== 'brief';
  return (
    <article class={`story story-${rank}`} data-served-by={servedBy} data-article-id={card.article_id}>
      {pictured && (
        <div class="story-picture">
          <Illustration id={card.article_id} category={card.category} fine={rank === 'lead'} />
        </div>
      )}
      <div class="story-text">
        <p class="kicker">
          {card.category || 'News'}
          {isNew && <span class="moved">New on your page</span>}
        </p>
        <Heading class="headline">
          <a href={articlePath(card.article_id)} onPointerEnter={warm(card.article_id)} onFocus={warm(card.article_id)}>
            {card.title || 'Untitled'}
          </a>
        </Heading>
        {(rank === 'lead' || rank === 'second') && card.subtitle && <p class="teaser">{card.subtitle}</p>}
        {card.explanation?.text && <p class="why">{card.explanation.text}</p>}
      </div>
    </article>
  );
}
