import { useId } from 'preact/hooks';
import type { Card, Recommendation } from '../api/types';
import { Illustration } from '../art/Illustration';
import { TextSkeleton } from '../components/Skeleton';
import { articlePath } from '../router';
import { articleTongue, useWords } from '../text/language';
import { whyIn } from '../text/words';
import type { Sheet } from './sideReading';

interface Props {
  label: string;
  choices: { userId: string; name: string; taste: string | undefined }[];
  chosen: string;
  choose: (userId: string) => void;
  sheet: Sheet | undefined;
  busy: boolean;
  read: (card: Card) => void;
}

/** One reader's front page in small. */
export function SideSheet({ label, choices, chosen, choose, sheet, busy, read }: Props) {
  const words = useWords();
  const id = useId();
  const cards = sheet?.slate.recommendations ?? [];
  return (
    <section class="side-sheet" aria-label={label} aria-busy={!sheet} data-reader={chosen}>
      <div class="side-head">
        <label for={id}>{words.side.choose}</label>
        <select id={id} value={chosen} disabled={busy} onChange={(event) => choose(event.currentTarget.value)}>
          {choices.map(({ userId, name, taste }) => (
            <option key={userId} value={userId}>
              {taste ? `${name}: ${taste}` : name}
            </option>
          ))}
        </select>
      </div>
      <p class="side-plate" aria-hidden="true">
        {words.paper.name}
      </p>
      {!sheet && <TextSkeleton lines={14} />}
      <ol class="side-stories">
        {cards.map((card, place) => (
          <SideStory key={place} card={card} lead={place === 0} isNew={sheet?.moved.has(card.article_id) ?? false} busy={busy} read={read} />
        ))}
      </ol>
    </section>
  );
}

interface StoryProps {
  card: Recommendation;
  lead: boolean;
  isNew: boolean;
  busy: boolean;
  read: (card: Card) => void;
}

function SideStory({ card, lead, isNew, busy, read }: StoryProps) {
  const words = useWords();
  const why = card.explanation?.text;
  return (
    <li class={lead ? 'side-story side-lead' : 'side-story'} data-article-id={card.article_id}>
      {lead && <Illustration id={card.article_id} category={card.category} />}
      <p class="kicker">
        {card.category || words.paper.noSection}
        {isNew && <span class="moved">{words.front.arrived}</span>}
      </p>
      <h2 class="headline" lang={articleTongue()}>
        <a href={articlePath(card.article_id)}>{card.title || words.paper.untitled}</a>
      </h2>
      {why && (
        <p class="why" title={whyIn(why)}>
          {whyIn(why)}
        </p>
      )}
      <button type="button" class="plain side-read" disabled={busy} aria-label={`${words.side.story}: ${card.title}`} onClick={() => read(card)}>
        {words.side.story}
      </button>
    </li>
  );
}
