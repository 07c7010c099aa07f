import { wordsNow } from '../text/language';
import { noteServerDate } from './time';
import type {
  Article,
  Card,
  DemoReader,
  EventAccepted,
  Problem,
  ReadEvent,
  ReaderPage,
  RecommendRequest,
  Section,
  Session,
  Slate,
  StoredEvents,
} from './types';

/** An answer that is not a success, or none at all (`status` 0). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
    this.name = 'ApiError';
  }

  /** It may be well again by itself. */
  get passing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** How long the paper waits for an answer before it says so, in milliseconds. */
const PATIENCE_MS = 10_000;

let away = false;

/** Whether the newsroom gave no answer, or one of trouble, when it was last asked. */
export const newsroomAway = (): boolean => away;

async function call<T>(method: string, path: string, body?: unknown, options: RequestInit = {}): Promise<T> {
  const init: RequestInit = { method, signal: AbortSignal.timeout(PATIENCE_MS), ...options };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { 'content-type': 'application/json' };
  }
  const says = wordsNow().trouble;
  let answer: Response;
  try {
    answer = await fetch(path, init);
  } catch {
    away = true;
    throw new ApiError(0, says.cannotReach);
  }
  away = answer.status >= 500;
  noteServerDate(answer.headers.get('date'));
  const text = await answer.text().catch(() => '');
  if (!answer.ok) throw new ApiError(answer.status, problemIn(text) ?? says.answered(answer.status));
  if (text === '') return undefined as T;
  try {
    return JSON.parse(text) as T;
  } catch {
    throw new ApiError(answer.status, says.unreadable);
  }
}

function problemIn(text: string): string | undefined {
  try {
    const problem = JSON.parse(text) as Problem;
    return problem.detail ?? problem.title;
  } catch {
    return undefined;
  }
}

const enc = encodeURIComponent;

/** A query string of what is given; empty without anything. */
function query(fields: Record<string, string | number | undefined>): string {
  const given = Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${enc(value)}`]));
  return given.length > 0 ? `?${given.join('&')}` : '';
}

export const recommend = (request: RecommendRequest): Promise<Slate> => call('POST', '/recommend', request);

/** `keepalive` lets the request outlive the page that sent it. */
export const sendEvent = (event: ReadEvent): Promise<EventAccepted | undefined> =>
  call('POST', '/event', event, { keepalive: true });

export const related = (id: number, userId: string): Promise<Slate> =>
  call('GET', `/articles/${id}/related${query({ user_id: userId })}`);

export interface ArticlesAsked {
  category?: string;
  sort?: 'newest' | 'most_read';
  /** Only what was published after this moment, RFC 3339. */
  since?: string;
  /** Words of the title. */
  q?: string;
  limit?: number;
}

export const articlesOf = (asked: ArticlesAsked): Promise<Card[]> => call('GET', `/articles${query({ ...asked })}`);

/** The sections of the paper, most articles first. */
export const sections = (): Promise<Section[]> => call('GET', '/articles/sections');

export const demoReaders = (limit = 6): Promise<DemoReader[]> => call('GET', `/readers/demo${query({ limit })}`);

/** With `after`, as of that event or later. */
export const readerPage = (userId: string, after?: string): Promise<ReaderPage> =>
  call('GET', `/demo/${enc(userId)}${query({ after })}`);

/** What the log holds of a reader, newest first. */
export const storedEvents = (userId: string, limit: number): Promise<StoredEvents> =>
  call('GET', `/users/${enc(userId)}/events${query({ limit })}`);

export const savePreferences = (userId: string, topics: string[]): Promise<EventAccepted | undefined> =>
  call('POST', `/users/${enc(userId)}/preferences`, { topics });

export const forgetReader = (userId: string): Promise<EventAccepted | undefined> =>
  call('DELETE', `/users/${enc(userId)}`);

export const session = (): Promise<Session> => call('GET', '/session');
export const openSession = (userId: string): Promise<Session> => call('POST', '/session', { user_id: userId });
export const closeSession = (): Promise<undefined> => call('DELETE', '/session');

/** Articles asked for in this visit: the front page's teasers open at once when they are clicked. */
const articles = new Map<number, Promise<Article>>();
const ARTICLES_KEPT = 200;

export function article(id: number): Promise<Article> {
  const known = articles.get(id);
  if (known) return known;
  const asked = call<Article>('GET', `/articles/${id}`);
  rememberArticle(id, asked);
  asked.catch(() => articles.delete(id));
  return asked;
}

export function rememberArticle(id: number, article: Promise<Article>): void {
  if (articles.size >= ARTICLES_KEPT) articles.delete(articles.keys().next().value as number);
  articles.set(id, article);
}
