import { useLayoutEffect } from 'preact/hooks';
import { articlesOf, recommend } from '../api/client';
import type { Card, Recommendation } from '../api/types';
import { ArticleList } from '../components/ArticleList';
import { CardsSkeleton } from '../components/Skeleton';
import { Story } from '../components/Story';
import { Trouble } from '../components/Trouble';
import { deviceType } from '../reader/device';
import { rememberImpression } from '../reader/slates';
import type { Reader } from '../reader/store';
import { settleScroll } from '../router';
import { afterFor } from '../telemetry/after';
import { useWords } from '../text/language';
import { useAnswer } from '../useAnswer';
import { useTitle } from '../useTitle';

const CHOSEN = 7;
const LATEST = 30;

/** What a section has: a few chosen for the reader first, the rest as they came in. */
interface SectionStories {
  chosen: (Card | Recommendation)[];
  servedBy: string | undefined;
  rest: Card[];
}

async function stories(name: string, userId: string): Promise<SectionStories> {
  const asked = { user_id: userId, k: CHOSEN, categories: [name], device_type: deviceType(), explain: true };
  const after = await afterFor(userId);
  const [latest, slate] = await Promise.all([
    articlesOf({ category: name, limit: LATEST }),
    // Without a choice the section is read as it came in.
    recommend({ ...asked, ...(after ? { after } : {}) }).catch(() => undefined),
  ]);
  if (slate) rememberImpression(userId, slate);
  const chosen = slate && slate.recommendations.length > 0 ? slate.recommendations : latest.slice(0, CHOSEN);
  const taken = new Set(chosen.map((card) => card.article_id));
  return { chosen, servedBy: slate?.served_by, rest: latest.filter((card) => !taken.has(card.article_id)) };
}

export function SectionPage({ name, reader }: { name: string; reader: Reader }) {
  const words = useWords().section;
  const { value, trouble, again } = useAnswer(() => stories(name, reader.userId), [name, reader.userId]);
  useTitle(name);
  useLayoutEffect(() => {
    if (value) settleScroll();
  }, [value]);

  const [lead, ...others] = value?.chosen ?? [];
  const story = (card: Card, rank: 'lead' | 'second' | 'third') => (
    <Story key={card.article_id} card={card} rank={rank} servedBy={value?.servedBy} level={2} />
  );
  return (
    <div class="section-page">
      <header class="page-head">
        <p class="kicker">{words.kicker}</p>
        <h1>{name}</h1>
      </header>
      {trouble && <Trouble trouble={trouble} again={again} what={words.what} />}
      {!value && !trouble && <CardsSkeleton />}
      {value && !lead && <p class="empty">{words.empty}</p>}
      {lead && (
        <div class="front">
          <div class={others.length > 1 ? 'front-top' : 'front-top front-alone'}>
            {story(lead, 'lead')}
            {others.length > 1 && <div class="front-second">{others.slice(0, 2).map((card) => story(card, 'second'))}</div>}
          </div>
          {others.length > 2 && <div class="front-third">{others.slice(2, 6).map((card) => story(card, 'third'))}</div>}
        </div>
      )}
      {value && value.rest.length > 0 && (
        <section class="archive" aria-labelledby="archive-title">
          <h2 class="section-name" id="archive-title">
            {words.latest}
          </h2>
          <ArticleList cards={value.rest} level={3} />
        </section>
      )}
    </div>
  );
}
