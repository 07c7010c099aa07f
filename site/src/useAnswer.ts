import { useCallback, useEffect, useState } from 'preact/hooks';
import { ApiError } from './api/client';

export interface Answer<T> {
  /** The latest good answer; it stays while a newer one is waited for. */
  value: T | undefined;
  trouble: ApiError | undefined;
  waiting: boolean;
  again: () => void;
}

/** Asks when the page opens, when `keys` change and on `again`; a late answer to an older question is dropped. */
export function useAnswer<T>(ask: () => Promise<T>, keys: readonly unknown[], before?: T): Answer<T> {
  const [value, setValue] = useState<T | undefined>(before);
  const [trouble, setTrouble] = useState<ApiError | undefined>();
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
        },
        (error: unknown) => {
          if (wanted) setTrouble(error instanceof ApiError ? error : new ApiError(0, 'something went wrong here'));
        },
      )
      .finally(() => wanted && setWaiting(false));
    return () => {
      wanted = false;
    };
  }, [...keys, attempt]);

  // What failed for want of a network is asked again when it is back.
  useEffect(() => {
    if (!trouble) return;
    const retry = (): void => setAttempt((count) => count + 1);
    window.addEventListener('online', retry);
    return () => window.removeEventListener('online', retry);
  }, [trouble]);

  const again = useCallback(() => setAttempt((count) => count + 1), []);
  return { value, trouble, waiting, again };
}
