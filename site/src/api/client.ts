import type {
  ActiveReader,
  Article,
  EventAccepted,
  Problem,
  ReadEvent,
  ReaderPage,
  RecommendRequest,
  Slate,
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
}

/** How long the paper waits for an answer before it says so, in milliseconds. */
const PATIENCE_MS = 10_000;

async function call<T>(method: string, path: string, body?: unknown, options: RequestInit = {}): Promise<T> {
  const init: RequestInit = { method, signal: AbortSignal.timeout(PATIENCE_MS), ...options };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { 'content-type': 'application/json' };
  }
  let answer: Response;
  try {
    answer = await fetch(path, init);
  } catch {
    throw new ApiError(0, 'the newsroom cannot be reached');
  }
  const text = await answer.text().catch(() => '');
  if (!answer.ok) throw new ApiError(answer.status, problemIn(text) ?? `the newsroom answered ${answer.status}`);
  if (text === '') return undefined as T;
  try {
    return JSON.parse(text) as T;
  } catch {
    throw new ApiError(answer.status, 'the newsroom answered something else than JSON');
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

export const recommend = (request: RecommendRequest): Promise<Slate> => call('POST', '/recommend', request);

/** `keepalive` lets the request outlive the page that sent it. */
export const sendEvent = (event: ReadEvent): Promise<EventAccepted | undefined> =>
  call('POST', '/event', event, { keepalive: true });

export const related = (id: number, userId: string): Promise<Slate> =>
  call('GET', `/articles/${id}/related?user_id=${enc(userId)}`);

export const activeReaders = (limit = 20): Promise<ActiveReader[]> => call('GET', `/users/active?limit=${limit}`);

/** With `after`, as of that event or later. */
export const readerPage = (userId: string, after?: string): Promise<ReaderPage> =>
  call('GET', `/demo/${enc(userId)}${after ? `?after=${enc(after)}` : ''}`);

export const savePreferences = (userId: string, topics: string[]): Promise<EventAccepted | undefined> =>
  call('POST', `/users/${enc(userId)}/preferences`, { topics });

export const forgetReader = (userId: string): Promise<EventAccepted | undefined> =>
  call('DELETE', `/users/${enc(userId)}`);

/** Articles asked for in this visit: the front page's teasers open at once when they are clicked. */
const articles = new Map<number, Promise<Article>>();
const ARTICLES_KEPT = 200;

export function article(id: number): Promise<Article> {
  const known = articles.get(id);
  if (known) return known;
  const asked = call<Article>('GET', `/articles/${id}`);
  if (articles.size >= ARTICLES_KEPT) articles.delete(articles.keys().next().value as number);
  articles.set(id, asked);
  asked.catch(() => articles.delete(id));
  return asked;
}
