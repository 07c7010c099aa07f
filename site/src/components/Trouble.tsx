import type { ApiError } from '../api/client';

/** A kind word when the newsroom does not answer, and a way to try again. */
export function Trouble({ trouble, again, what }: { trouble: ApiError; again: () => void; what: string }) {
  const away = trouble.status === 0 || trouble.status >= 500;
  return (
    <div class="trouble" role="status">
      <p>
        {what} could not be fetched just now{away ? ': the newsroom does not answer' : `: ${trouble.message}`}.
        {away && ' It is surely back soon.'}
      </p>
      <button type="button" onClick={again}>
        Try again
      </button>
    </div>
  );
}
