/** The sections of the paper, as far as this browser has seen them. */
import { useEffect, useState } from 'preact/hooks';
import { kept } from '../storage';

const KEY = 'sections';
const SECTIONS_KEPT = 40;
const listeners = new Set<() => void>();

export const knownSections = (): string[] => kept.get<string[]>(KEY) ?? [];

export function rememberSections(cards: readonly { category: string }[]): void {
  const known = knownSections();
  const sections = [...new Set([...known, ...cards.map(({ category }) => category).filter(Boolean)])];
  if (sections.length === known.length) return;
  kept.set(KEY, sections.sort((a, b) => a.localeCompare(b)).slice(0, SECTIONS_KEPT));
  for (const listener of listeners) listener();
}

export function useSections(): string[] {
  const [sections, setSections] = useState(knownSections);
  useEffect(() => {
    const listener = (): void => setSections(knownSections());
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  return sections;
}
