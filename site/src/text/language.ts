/**
 * The languages of the interface: one file each in this folder, named by its tag and of the shape of `en.ts`. The reader's
 * choice is kept; without one, the browser's own wish counts.
 */
import { useEffect, useState } from 'preact/hooks';
import { kept } from '../storage';
import type { Words } from './en';

const files = import.meta.glob<{ words: Words }>('./??.ts', { eager: true });
const languages = new Map(
  Object.entries(files).map(([file, { words }]) => [file.slice('./'.length, -'.ts'.length), words] as const),
);
const FALLBACK = 'en';
const KEY = 'language';

/** Each language's tag with its own name, in order of the names. */
export const LANGUAGES: readonly (readonly [tag: string, name: string])[] = [...languages]
  .map(([tag, words]) => [tag, words.language] as const)
  .sort((a, b) => a[1].localeCompare(b[1]));

function preferred(): string {
  const wishes = [kept.get<string>(KEY), ...(typeof navigator === 'undefined' ? [] : navigator.languages)];
  const known = wishes.map((wish) => (typeof wish === 'string' ? wish.slice(0, 2).toLowerCase() : '')).find((tag) => languages.has(tag));
  return known ?? FALLBACK;
}

let current = preferred();
const listeners = new Set<(tag: string) => void>();

/** The texts in force now; components take them from `useWords`, so that they follow a change. */
export const wordsNow = (): Words => languages.get(current) ?? (languages.get(FALLBACK) as Words);

export const languageNow = (): string => current;

/** The language of the articles where it is another than the interface's, as the page's own markup says: what their texts have as `lang`. */
export function articleTongue(): string | undefined {
  tongue ??= document.querySelector<HTMLMetaElement>('meta[name="articles-language"]')?.content ?? '';
  return tongue === '' || tongue === current ? undefined : tongue;
}
let tongue: string | undefined;

export function chooseLanguage(tag: string): void {
  if (!languages.has(tag)) return;
  current = tag;
  kept.set(KEY, tag);
  markDocument();
  for (const listener of listeners) listener(tag);
}

/** Says to browsers and screen readers which language the page is in. */
export function markDocument(): void {
  document.documentElement.lang = current;
}

export function useWords(): Words {
  const [, setTag] = useState(current);
  useEffect(() => {
    listeners.add(setTag);
    return () => void listeners.delete(setTag);
  }, []);
  return wordsNow();
}
