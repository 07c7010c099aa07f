import { useCallback, useEffect, useState } from 'preact/hooks';
import { ApiError } from './api/client';
import { wordsNow } from './text/language';

export interface Answer<T> {
  /** The latest good answer; it stays while a newer one is waited for. */
  value: T | undefined;
  trouble: ApiError | undefined;
  waiting: boolean;
  again: () => void;
}

/** What failed is asked again after this long, in milliseconds, doubled each time up to the longest. */
const FIRST_RETRY_MS = 1_500;
const LONGEST_RETRY_MS = 30_000;

/**
 * Asks when the page opens, when `keys` change and on `again`; a late answer to an older question is dropped. What failed and may
 * be well again by itself is asked anew, soon at first and then less often, and at once when the network or the reader is back.
 */
export function useAnswer<T>(ask: () => Promise<T>, keys: readonly unknown[], before?: T): Answer<T> {
  const [value, setValue] = useState<T | undefined>(before);
  const [trouble, setTrouble] = useState<ApiError | undefined>();
  const [failures, setFailures] = useState(0);
  const [waiting, setWaiting] = useState(true);
  const [attempt, setAttempt] = useState(0);

  useEffect(() => {
    let wanted = true;
    setWaiting(true);
    ask()
      .then(
        (answer) => {
          if (!wanted) return;
          setValue(answer);
          setTrouble(undefined);
          setFailures(0);
        },
        (error: unknown) => {
          if (!wanted) return;
          setTrouble(error instanceof ApiError ? error : new ApiError(-1, wordsNow().trouble.here));
          setFailures((count) => count + 1);
        },
      )
      .finally(() => wanted && setWaiting(false));
    return () => {
      wanted = false;
    };
  }, [...keys, attempt]);

  useEffect(() => {
    if (!trouble?.passing) return undefined;
    const retry = (): void => {
      if (document.visibilityState === 'visible') setAttempt((count) => count + 1);
    };
    const timer = setTimeout(retry, Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (failures - 1)));
    window.addEventListener('online', retry);
    document.addEventListener('visibilitychange', retry);
    return () => {
      clearTimeout(timer);
      window.removeEventListener('online', retry);
      document.removeEventListener('visibilitychange', retry);
    };
  }, [trouble, failures]);

  const again = useCallback(() => setAttempt((count) => count + 1), []);
  return { value, trouble, waiting, again };
}
