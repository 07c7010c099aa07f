import type { Card } from '../api/types';
import { articlePath } from '../router';
import { articleTongue, useWords } from '../text/language';
import { Published } from './Published';

interface Props {
  id: string;
  title: string;
  /** Nothing while they are on their way. */
  cards: readonly Card[] | undefined;
  /** How many there usually are: their room is kept. */
  usual: number;
  numbered?: boolean;
}

/** A list of headlines without pictures, as at the side of a front page. */
export function Headlines({ id, title, cards, usual, numbered = false }: Props) {
  const { paper } = useWords();
  const List = numbered ? 'ol' : 'ul';
  return (
    <section class={numbered ? 'headlines headlines-numbered' : 'headlines'} aria-labelledby={id} aria-busy={!cards}>
      <h2 class="section-name" id={id}>
        {title}
      </h2>
      <List>
        {cards
          ? cards.map((card) => (
              <li key={card.article_id}>
                <p class="kicker">
                  {card.category || paper.noSection}
                  {!numbered && <Published time={card.published_time} />}
                </p>
                <a href={articlePath(card.article_id)} lang={articleTongue()}>
                  {card.title || paper.untitled}
                </a>
              </li>
            ))
          : Array.from({ length: usual }, (_, place) => (
              <li key={place} aria-hidden="true">
                <div class="bone bone-line" />
                <div class="bone bone-line bone-short" />
              </li>
            ))}
      </List>
    </section>
  );
}
