import { useEffect, useState } from 'preact/hooks';
import { attempt } from './asking';

/** At most one question in so many milliseconds, however often what it depends on changes. */
const APART_MS = 500;

/** What `ask` answers, asked again when `when` is another (not while it is undefined). What is there stays until the next answer. */
export function useFetched<T>(ask: () => Promise<T>, when: unknown): T | undefined {
  const [fetched, setFetched] = useState<T>();
  useEffect(() => {
    if (when === undefined) return undefined;
    let gone = false;
    const timer = setTimeout(() => {
      void attempt(ask).then((answer) => {
        if (!gone && answer !== undefined) setFetched(answer);
      });
    }, fetched === undefined ? 0 : APART_MS);
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [when]);
  return fetched;
}
