import type { ComponentChildren } from 'preact';
import type { Recommendation, Slate } from '../api/types';
import { Story } from '../components/Story';
import type { Rank } from '../components/Story';
import { sectionPath } from '../router';
import { useWords } from '../text/language';
import { slug } from '../text/words';
import { marksOf } from './marks';
import { planFront } from './plan';

interface Props {
  slate: Slate;
  /** The page as it was before the latest read, to mark what moved on it. */
  previous: Slate | undefined;
  waiting: boolean;
  /** What stands beside the sections. */
  children: ComponentChildren;
}

/** The stories of a slate, best first, set as a front page. */
export function FrontGrid({ slate, previous, waiting, children }: Props) {
  const { front, paper } = useWords();
  const plan = planFront(slate.recommendations, paper.noSection);
  const marks = marksOf(slate, previous);
  // Keyed by place, not by article: a page that is set anew changes what stands in its places, and nothing moves.
  const story = (card: Recommendation, rank: Rank, place = 0) => (
    <Story key={place} card={card} rank={rank} servedBy={slate.served_by} mark={marks.get(card.article_id)} />
  );

  return (
    <div class={waiting ? 'front front-waiting' : 'front'} aria-busy={waiting}>
      <section class={plan.second.length > 0 ? 'front-top' : 'front-top front-alone'} aria-label={front.leading}>
        {story(plan.lead, 'lead')}
        {plan.second.length > 0 && <div class="front-second">{plan.second.map((card, place) => story(card, 'second', place))}</div>}
      </section>
      {plan.third.length > 0 && (
        <section class="front-third" aria-label={front.more}>
          {plan.third.map((card, place) => story(card, 'third', place))}
        </section>
      )}
      <div class="front-lower">
        <div class="front-sections">
          {plan.sections.map(({ name, cards }, at) => (
            <section key={at} class="front-section" aria-labelledby={`section-${slug(name)}`}>
              <h2 class="section-name" id={`section-${slug(name)}`} tabIndex={-1}>
                <a href={sectionPath(name)}>{name}</a>
              </h2>
              {cards.map((card, place) => story(card, place === 0 ? 'third' : 'brief', place))}
            </section>
          ))}
        </div>
        {children}
      </div>
    </div>
  );
}
