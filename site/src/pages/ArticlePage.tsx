import { useLayoutEffect, useRef } from 'preact/hooks';
import { article } from '../api/client';
import type { Article } from '../api/types';
import { Illustration } from '../art/Illustration';
import { TextSkeleton } from '../components/Skeleton';
import { Trouble } from '../components/Trouble';
import type { Reader } from '../reader/store';
import { sectionPath, settleScroll } from '../router';
import { useReading } from '../telemetry/useReading';
import { articleTongue, useWords } from '../text/language';
import { dateAndTime, minutesToRead, moment, paragraphs } from '../text/words';
import { useAnswer } from '../useAnswer';
import { useTitle } from '../useTitle';
import { MissingPage } from './MissingPage';
import { RelatedStories } from './RelatedStories';

export function ArticlePage({ id, reader }: { id: number; reader: Reader }) {
  const words = useWords();
  const { value, trouble, waiting, again } = useAnswer(() => article(id), [id]);
  useTitle(value?.title ?? '');

  if (trouble?.status === 404) return <MissingPage what="article" />;
  if (trouble?.status === 410) return <MissingPage what="withdrawn" />;
  return (
    <>
      {trouble && <Trouble trouble={trouble} again={again} what={words.article.what} />}
      {!value && !trouble && waiting && (
        <div class="article article-waiting" aria-busy="true">
          <p class="sr-only" role="status">
            {words.article.onItsWay}
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
  const words = useWords();
  const text = useRef<HTMLElement>(null);
  useLayoutEffect(settleScroll, []);
  useReading(userId, value.article_id, text);
  const published = moment(value.published_time);
  const body = paragraphs(value.body);
  const lang = articleTongue();
  return (
    <article class="article" ref={text}>
      <header class="article-head">
        <p class="kicker">{value.category ? <a href={sectionPath(value.category)}>{value.category}</a> : words.paper.noSection}</p>
        <h1 lang={lang}>{value.title || words.paper.untitled}</h1>
        {value.subtitle && (
          <p class="standfirst" lang={lang}>
            {value.subtitle}
          </p>
        )}
        <p class="byline">
          {published && <time dateTime={published.toISOString()}>{dateAndTime(published)}</time>}
          {body.length > 0 && <span>{words.article.minutes(minutesToRead(value.body))}</span>}
        </p>
      </header>
      <figure class="article-picture">
        <Illustration id={value.article_id} category={value.category} fine />
        <figcaption>{words.article.caption}</figcaption>
      </figure>
      <div class="article-body" lang={body.length > 0 ? lang : undefined}>
        {body.length > 0 ? (
          body.map((paragraph, place) => <p key={place}>{paragraph}</p>)
        ) : (
          <p class="no-text">{words.article.noText}</p>
        )}
      </div>
      {value.topics && value.topics.length > 0 && (
        <ul class="topics" aria-label={words.article.topics} lang={lang}>
          {value.topics.map((topic) => (
            <li key={topic}>{topic}</li>
          ))}
        </ul>
      )}
    </article>
  );
}
