import { article } from '../api/client';
import type { Card, Recommendation } from '../api/types';
import { Illustration } from '../art/Illustration';
import { Published } from './Published';
import { articlePath } from '../router';
import { articleTongue, useWords } from '../text/language';
import { whyIn } from '../text/words';

export type Rank = 'lead' | 'second' | 'third' | 'brief' | 'related';
/** How a card's place on the page changed by the latest read. */
export type Mark = 'arrived' | 'rose';

interface Props {
  card: Card | Recommendation;
  rank: Rank;
  /** The path that chose this card, kept on it for whoever looks. */
  servedBy?: string | undefined;
  mark?: Mark | undefined;
  /** Says when it was published. */
  dated?: boolean;
  /** How deep the heading lies. */
  level?: 2 | 3 | 4;
}

/** Fetches an article that is about to be opened. */
const warm = (id: number) => (): void => void article(id).catch(() => undefined);

/** One card of a slate. The whole card is its link's target; the link itself is the headline. */
export function Story({ card, rank, servedBy, mark, dated = false, level = 3 }: Props) {
  const { front, paper } = useWords();
  const Heading = `h${level}` as const;
  const pictured = rank !== 'brief';
  const why = 'explanation' in card ? card.explanation?.text : undefined;
  return (
    <article class={`story story-${rank}`} data-served-by={servedBy} data-article-id={card.article_id}>
      {pictured && (
        <div class="story-picture">
          <Illustration id={card.article_id} category={card.category} fine={rank === 'lead'} />
        </div>
      )}
      <div class="story-text">
        <p class="kicker">
          {card.category || paper.noSection}
          {dated && <Published time={card.published_time} />}
          {mark && <span class="moved">{front[mark]}</span>}
        </p>
        <Heading class="headline" lang={articleTongue()}>
          <a href={articlePath(card.article_id)} onPointerEnter={warm(card.article_id)} onFocus={warm(card.article_id)}>
            {card.title || paper.untitled}
          </a>
        </Heading>
        {(rank === 'lead' || rank === 'second') && card.subtitle && (
          <p class="teaser" lang={articleTongue()}>
            {card.subtitle}
          </p>
        )}
        {why && (
          <p class="why" title={whyIn(why)}>
            {whyIn(why)}
          </p>
        )}
      </div>
    </article>
  );
}
