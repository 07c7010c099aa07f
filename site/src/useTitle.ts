import { useEffect } from 'preact/hooks';
import { wordsNow } from './text/language';

/** What the browser calls the page: its own name and the paper's, or the paper's alone. */
export function useTitle(title: string): void {
  useEffect(() => {
    const { name } = wordsNow().paper;
    document.title = title ? `${title} · ${name}` : name;
  }, [title]);
}
