/** How times, lengths and the API's own words are put in the language in force. */
import { languageNow, wordsNow } from './language';
import { words as english } from './en';
import type { Words } from './en';

type Made = Exclude<keyof Words['made'], 'other'>;

/** Each pattern of `served_by`, and what it is called. The first that fits is taken. */
const MADE_BY: ReadonlyArray<readonly [RegExp, Made]> = [
  [/rerank/i, 'reranker'],
  [/session|knn|retriev|embedding|nearest/i, 'knn'],
  [/tree/i, 'trees'],
  [/cached/i, 'cached'],
  [/prefer|topic/i, 'preferences'],
  [/also/i, 'alsoRead'],
  [/similar|related|content/i, 'related'],
  [/trend|popular|most/i, 'trending'],
  [/recent|latest|newest|fresh/i, 'newest'],
];

/** How a page was made, in words; a path without words of its own is named as it is. */
export function madeBy(servedBy: string | undefined, { made } = wordsNow()): string {
  if (!servedBy) return made.newsroom;
  const known = MADE_BY.find(([pattern]) => pattern.test(servedBy));
  return known ? made[known[1]] : made.other(servedBy.replace(/[_-]+/g, ' '));
}

type Why = keyof Words['why'];
const SENTENCES = (Object.entries(english.why) as [Why, string][]).map(([name, sentence]) => {
  const [before = '', after = ''] = sentence.split('{}');
  return { name, before, after, whole: !sentence.includes('{}') };
});

/** Why a card is there, as the API says it, put into the language in force where it is a known sentence. */
export function whyIn(said: string, { why } = wordsNow()): string {
  for (const { name, before, after, whole } of SENTENCES) {
    if (whole ? said === before : said.startsWith(before) && said.endsWith(after) && said.length > before.length + after.length) {
      return why[name].replace('{}', () => said.slice(before.length, said.length - after.length));
    }
  }
  return said;
}

/** A body's paragraphs: what stands between blank lines. */
export function paragraphs(body: string | undefined): string[] {
  return (body ?? '')
    .split(/\r?\n[ \t]*\r?\n/)
    .map((text) => text.replace(/\s+/g, ' ').trim())
    .filter((text) => text !== '');
}

const WORDS_A_MINUTE = 230;

export function minutesToRead(body: string | undefined): number {
  const words = (body ?? '').split(/\s+/).filter(Boolean).length;
  return Math.max(1, Math.round(words / WORDS_A_MINUTE));
}

/** Seconds as a person says them. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return '–';
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
}

/** Times without a zone are UTC, as everywhere in the interface. */
export function moment(time: string | null | undefined): Date | undefined {
  if (!time) return undefined;
  const date = new Date(/(?:z|[+-]\d\d:?\d\d)$/i.test(time) ? time : `${time}Z`);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

/** How parts of a time are written. Formatters are dear to make, so each is made once. */
const FORMATS = {
  long: { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' },
  date: { day: 'numeric', month: 'long', year: 'numeric' },
  short: { day: 'numeric', month: 'short' },
  clock: { hour: '2-digit', minute: '2-digit' },
} as const satisfies Record<string, Intl.DateTimeFormatOptions>;
const formatters = new Map<string, Intl.DateTimeFormat>();

function formatted(date: Date, format: keyof typeof FORMATS): string {
  const { locale } = wordsNow();
  const key = `${locale} ${format}`;
  const formatter = formatters.get(key) ?? new Intl.DateTimeFormat(locale, FORMATS[format]);
  formatters.set(key, formatter);
  return formatter.format(date);
}

export function longDate(date: Date): string {
  const said = formatted(date, 'long');
  return said.charAt(0).toLocaleUpperCase(languageNow()) + said.slice(1);
}

export const dateAndTime = (date: Date): string => `${formatted(date, 'date')}, ${clock(date)}`;

export const shortDate = (date: Date): string => formatted(date, 'short');

export const clock = (date: Date): string => formatted(date, 'clock');

/** Names as a person lists them: the last with "and". */
export function listed(names: readonly string[], and: string): string {
  if (names.length < 2) return names[0] ?? '';
  return `${names.slice(0, -1).join(', ')} ${and} ${names[names.length - 1]}`;
}

/** A string that may stand in an id or a class name. */
export const slug = (text: string): string =>
  text.toLowerCase().normalize('NFKD').replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '') || 'section';
