import { useMemo } from 'preact/hooks';
import { articlesOf } from '../api/client';
import { Headlines } from '../components/Headlines';
import { rememberSections } from '../reader/sections';
import type { Reader } from '../reader/store';
import { lastVisit, noteVisit } from '../reader/visits';
import { useWords } from '../text/language';
import { useAnswer } from '../useAnswer';

const MOST_READ = 5;
const LATEST = 6;

/** Beside the sections: what everybody reads, and what came in since this reader was here. */
export function FrontAside({ reader }: { reader: Reader }) {
  const { front } = useWords();
  const mostRead = useAnswer(() => articlesOf({ sort: 'most_read', limit: MOST_READ }), []);
  const latest = useAnswer(async () => {
    const cards = await articlesOf({ limit: LATEST });
    rememberSections(cards);
    noteVisit(reader.userId, cards.map((card) => card.published_time));
    return cards;
  }, [reader.userId]);

  const since = useMemo(() => lastVisit(reader.userId), [reader.userId]);
  const isNew = (published: string): boolean => since !== undefined && Date.parse(published) > Date.parse(since);
  const fresh = latest.value?.filter((card) => isNew(card.published_time)) ?? [];
  // What could not be had is left out: the page has said so already.
  const show = (answer: { value: unknown; waiting: boolean }): boolean => answer.value !== undefined || answer.waiting;
  return (
    <aside class="front-aside">
      {show(mostRead) && mostRead.value?.length !== 0 && (
        <Headlines id="most-read" title={front.mostRead} cards={mostRead.value} usual={MOST_READ} numbered />
      )}
      {show(latest) && (
        <Headlines
          id="latest"
          title={fresh.length > 0 ? front.newSince : front.latest}
          cards={fresh.length > 0 ? fresh : latest.value}
          usual={LATEST}
        />
      )}
    </aside>
  );
}
