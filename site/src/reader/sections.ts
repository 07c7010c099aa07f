/** The sections of the paper: as the newsroom names them, or, until it does, as far as this browser has seen them. */
import { useEffect, useState } from 'preact/hooks';
import { kept } from '../storage';

const KEY = 'sections';
const SECTIONS_KEPT = 40;
const listeners = new Set<() => void>();

export const knownSections = (): string[] => kept.get<string[]>(KEY) ?? [];

export function rememberSections(cards: readonly { category: string }[]): void {
  learnSections([...knownSections(), ...cards.map(({ category }) => category)]);
}

/** These are the sections, in whatever order. */
export function learnSections(names: readonly string[]): void {
  const sections = [...new Set(names.filter(Boolean))].sort((a, b) => a.localeCompare(b)).slice(0, SECTIONS_KEPT);
  if (sections.length === 0 || sections.join('\n') === knownSections().join('\n')) return;
  kept.set(KEY, sections);
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
