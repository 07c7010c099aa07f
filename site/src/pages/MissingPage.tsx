import { useWords } from '../text/language';
import { useTitle } from '../useTitle';

type What = 'page' | 'article' | 'withdrawn';

/** For an address that leads nowhere, and for an article that is no more. */
export function MissingPage({ what = 'page' }: { what?: What }) {
  const { missing } = useWords();
  const title = what === 'withdrawn' ? missing.withdrawnTitle : missing.title;
  useTitle(title);
  return (
    <div class="missing">
      <h1>{title}</h1>
      <p>{missing[what]}</p>
      <p>
        <a href="/">{missing.back}</a>
      </p>
    </div>
  );
}
