import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { article } from '../api/client';
import type { Article } from '../api/types';
import { Illustration } from '../art/Illustration';
import { TextSkeleton } from '../components/Skeleton';
import { Trouble } from '../components/Trouble';
import type { Reader } from '../reader/store';
import { settleScroll } from '../router';
import { useReading } from '../telemetry/useReading';
import { dateAndTime, minutesToRead, moment, paragraphs } from '../text/words';
import { useAnswer } from '../useAnswer';
import { MissingPage } from './MissingPage';
import { RelatedStories } from './RelatedStories';

export function ArticlePage({ id, reader }: { id: number; reader: Reader }) {
  const { value, trouble, waiting, again } = useAnswer(() => article(id), [id]);

  useEffect(() => {
    document.title = value ? `${value.title} · The Daily Chronicle` : 'The Daily Chronicle';
  }, [value]);

  if (trouble?.status === 404 || trouble?.status === 410) return <MissingPage what="article" />;
  return (
    <>
      {trouble && <Trouble trouble={trouble} again={again} what="This article" />}
      {!value && waiting && (
        <div class="article article-waiting" aria-busy="true">
          <p class="sr-only" role="status">
            The article is on its way…
          </p>
          <TextSkeleton lines={14} />
        </div>
      )}
      {value && (
        <>
          <ArticleText value={value} userId={reader.userId} />
          <RelatedStories id={id} userId={reader.userId} />
        </>
      )}
    </>
  );
}

/** Mounted once the text is there, so that waiting for it is not counted as reading. */
function ArticleText({ value, userId }: { value: Article; userId: string }) {
  const text = useRef<HTMLElement>(null);
  useLayoutEffect(settleScroll, []);
  useReading(userId, value.article_id, text);
  const published = moment(value.published_time);
  const body = paragraphs(value.body);
  return (
    <article class="article" ref={text}>
      <header class="article-head">
        <p class="kicker">{value.category || 'News'}</p>
        <h1>{value.title || 'Untitled'}</h1>
        {value.subtitle && <p class="standfirst">{value.subtitle}</p>}
        <p class="byline">
          {published && <time dateTime={published.toISOString()}>{dateAndTime(published)}</time>}
          {body.length > 0 && <span>{minutesToRead(value.body)}</span>}
        </p>
      </header>
      <figure class="article-picture">
        <Illustration id={value.article_id} category={value.category} fine />
        <figcaption>Engraved for this edition</figcaption>
      </figure>
      <div class="article-body">
        {body.length > 0 ? (
          body.map((paragraph, place) => <p key={place}>{paragraph}</p>)
        ) : (
          <p class="no-text">The text of this article is not in this edition.</p>
        )}
      </div>
      {value.topics && value.topics.length > 0 && (
        <ul class="topics" aria-label="Topics">
          {value.topics.map((topic) => (
            <li key={topic}>{topic}</li>
          ))}
        </ul>
      )}
    </article>
  );
}
