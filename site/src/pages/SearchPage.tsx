import { useLayoutEffect } from 'preact/hooks';
import { articlesOf } from '../api/client';
import type { Card } from '../api/types';
import { ArticleList } from '../components/ArticleList';
import { TextSkeleton } from '../components/Skeleton';
import { Trouble } from '../components/Trouble';
import { navigate, searchPath, settleScroll } from '../router';
import { useWords } from '../text/language';
import { useAnswer } from '../useAnswer';
import { useTitle } from '../useTitle';

const FOUND = 40;

/** Articles by words of their titles. */
export function SearchPage({ typed }: { typed: string }) {
  const words = useWords().search;
  const { value, trouble, waiting, again } = useAnswer(
    (): Promise<Card[]> => (typed ? articlesOf({ q: typed, limit: FOUND }) : Promise.resolve([])),
    [typed],
  );
  useTitle(typed ? `${words.title}: ${typed}` : words.title);
  useLayoutEffect(() => {
    if (value) settleScroll();
  }, [value]);
  return (
    <div class="search-page">
      <header class="page-head">
        <h1>{words.title}</h1>
      </header>
      <form
        class="search-large"
        action="/search"
        onSubmit={(event) => {
          event.preventDefault();
          navigate(searchPath(String(new FormData(event.currentTarget).get('q') ?? '').trim()));
        }}
      >
        <label for="search-words">{words.label}</label>
        <div class="field-row">
          <input key={typed} id="search-words" type="search" name="q" defaultValue={typed} maxLength={100} autocomplete="off" />
          <button type="submit" class="strong">
            {words.go}
          </button>
        </div>
      </form>
      {trouble && <Trouble trouble={trouble} again={again} what={words.what} />}
      {!typed && <p class="quiet">{words.hint}</p>}
      {typed && waiting && <TextSkeleton lines={6} />}
      {typed && !waiting && value && (
        <>
          <p class="quiet search-count" role="status">
            {value.length === 0 ? words.none(typed) : words.found(value.length)}
          </p>
          <ArticleList cards={value} level={2} />
        </>
      )}
    </div>
  );
}
