import type { Recommendation, Slate } from '../api/types';
import { Story } from '../components/Story';
import type { Rank } from '../components/Story';
import { slug } from '../text/words';
import { planFront } from './plan';

interface Props {
  slate: Slate;
  /** The page as it was before the latest read, to mark what is new on it. */
  previous: Slate | undefined;
  waiting: boolean;
}

/** The stories of a slate, best first, set as a front page. */
export function FrontGrid({ slate, previous, waiting }: Props) {
  const plan = planFront(slate.recommendations);
  const arrivals = newcomers(slate, previous);
  // Keyed by place, not by article: a page that is set anew changes what stands in its places, and nothing moves.
  const story = (card: Recommendation, rank: Rank, place = 0) => (
    <Story
      key={place}
      card={card}
      rank={rank}
      servedBy={slate.served_by}
      isNew={arrivals.has(card.article_id)}
    />
  );

  return (
    <div class={waiting ? 'front front-waiting' : 'front'} aria-busy={waiting}>
      {plan.sections.length > 1 && (
        <nav class="sections-nav" aria-label="Sections">
          <ul>
            {plan.sections.map(({ name }) => (
              <li key={name}>
                <a href={`#section-${slug(name)}`}>{name}</a>
              </li>
            ))}
          </ul>
        </nav>
      )}
      <section class={plan.second.length > 0 ? 'front-top' : 'front-top front-alone'} aria-label="Leading stories">
        {story(plan.lead, 'lead')}
        {plan.second.length > 0 && <div class="front-second">{plan.second.map((card, place) => story(card, 'second', place))}</div>}
      </section>
      {plan.third.length > 0 && (
        <section class="front-third" aria-label="More for you">
          {plan.third.map((card, place) => story(card, 'third', place))}
        </section>
      )}
      {plan.sections.length > 0 && (
        <div class="front-sections">
          {plan.sections.map(({ name, cards }) => (
            <section key={name} class="front-section" aria-labelledby={`section-${slug(name)}`}>
              <h2 class="section-name" id={`section-${slug(name)}`} tabIndex={-1}>
                {name}
              </h2>
              {cards.map((card, place) => story(card, place === 0 ? 'third' : 'brief', place))}
            </section>
          ))}
        </div>
      )}
    </div>
  );
}

/** The stories that were not on the page before; none when most are, since a mark on everything marks nothing. */
function newcomers(slate: Slate, previous: Slate | undefined): ReadonlySet<number> {
  if (!previous) return new Set();
  const before = new Set(previous.recommendations.map((card) => card.article_id));
  const ids = slate.recommendations.map((card) => card.article_id).filter((id) => !before.has(id));
  return new Set(ids.length > slate.recommendations.length / 2 ? [] : ids);
}
