import type { DemoReader } from '../api/types';
import type { Words } from '../text/en';
import { listed } from '../text/words';

/** A demo reader in a sentence or two: what they read, when and on what. */
export function portraitOf(reader: DemoReader, { reader: words }: Words): string {
  const sections = reader.sections.slice(0, 2).map(({ category }) => category).filter(Boolean);
  const day = words.day[reader.day as keyof Words['reader']['day']];
  const device = words.device[reader.device_type];
  const habit = [day, device].filter(Boolean).join(', ');
  const tastes = sections.length > 0 ? words.mostly(listed(sections, words.and)) : '';
  return [tastes, habit && `${habit}.`, words.soFar(reader.reads)].filter(Boolean).join(' ');
}
