import type { ApiError } from '../api/client';
import type { Words } from '../text/en';
import { useWords } from '../text/language';

/** One quiet line when the newsroom does not answer, and a way to try at once; by itself it is tried again, too. */
export function Trouble({ trouble, again, what }: { trouble: ApiError; again: () => void; what: string }) {
  const words = useWords().trouble;
  return (
    <p class="trouble" role="status">
      {saidOf(trouble, what, words)}{' '}
      <button type="button" class="plain" onClick={again}>
        {words.again}
      </button>
    </p>
  );
}

/** What is to be said of it, in one line. */
export function saidOf(trouble: ApiError, what: string, words: Words['trouble']): string {
  if (trouble.passing) return words.away(what);
  return trouble.status === 401 ? words.signIn : words.refused(what, trouble.message);
}
