/** Each pattern of `served_by`, in words for a reader. The first that fits is taken. */
const MADE_BY: ReadonlyArray<readonly [RegExp, string]> = [
  [/rerank/i, 'Chosen for you by the reranker, from what you have read'],
  [/session|knn|retriev|embedding|nearest/i, 'Chosen by what lies near to your reading'],
  [/tree/i, 'Chosen for you, from what is read now'],
  [/cached/i, 'Chosen for you a moment ago'],
  [/prefer|topic/i, 'Chosen by the topics that you follow'],
  [/also/i, 'What readers of this went on to read'],
  [/similar|related|content/i, 'Stories that lie near to this one'],
  [/trend|popular|most/i, 'Most read in the last hours'],
  [/recent|latest|newest|fresh/i, 'The latest stories'],
];

/** How a page was made, in words; a path without words of its own is named as it is. */
export function madeBy(servedBy: string | undefined): string {
  if (!servedBy) return 'Set by the newsroom';
  const known = MADE_BY.find(([pattern]) => pattern.test(servedBy));
  return known ? known[1] : `Set by ${servedBy.replace(/[_-]+/g, ' ')}`;
}

/** A body's paragraphs: what stands between blank lines. */
export function paragraphs(body: string | undefined): string[] {
  return (body ?? '')
    .split(/\r?\n[ \t]*\r?\n/)
    .map((text) => text.replace(/\s+/g, ' ').trim())
    .filter((text) => text !== '');
}

const WORDS_A_MINUTE = 230;

export function minutesToRead(body: string | undefined): string {
  const words = (body ?? '').split(/\s+/).filter(Boolean).length;
  const minutes = Math.max(1, Math.round(words / WORDS_A_MINUTE));
  return minutes === 1 ? 'One minute to read' : `${minutes} minutes to read`;
}

/** Seconds as a person says them. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return '–';
  if (seconds < 60) return `${Math.round(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${String(Math.round(seconds % 60)).padStart(2, '0')} s`;
}

/** Times without a zone are UTC, as everywhere in the interface. */
export function moment(time: string | null | undefined): Date | undefined {
  if (!time) return undefined;
  const date = new Date(/(?:z|[+-]\d\d:?\d\d)$/i.test(time) ? time : `${time}Z`);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

export const longDate = (date: Date): string =>
  date.toLocaleDateString('en-GB', { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });

export const dateAndTime = (date: Date): string =>
  `${date.toLocaleDateString('en-GB', { day: 'numeric', month: 'long', year: 'numeric' })}, ${clock(date)}`;

export const clock = (date: Date): string => date.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });

/** A string that may stand in an id or a class name. */
export const slug = (text: string): string =>
  text.toLowerCase().normalize('NFKD').replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '') || 'section';
