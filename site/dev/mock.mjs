/**
 * A stand-in for `abovefold serve`, for work on the page without it: serves site/dist and answers the API from
 * memory. `node dev/mock.mjs [PORT]`; MOCK_DELAY=ms makes it slow, MOCK_FAIL=1 makes the API fail.
 */
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { articles } from './stories.mjs';

const DIST = fileURLToPath(new URL('../dist', import.meta.url));
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
const CSP = "default-src 'self'; style-src 'self'; img-src 'self' data:";
const delay = Number(process.env.MOCK_DELAY ?? 0);
const byId = new Map(articles.map((article) => [article.article_id, article]));
const events = [];
const readers = new Map([['maren', [9700001, 9700022]], ['reader-17', [9700043, 9700050, 9700008]], ['okafor', [9700029]]]);
const card = ({ article_id, title, subtitle = '', category, published_time }, place) => ({ article_id, title, subtitle, category, published_time, score: 0.9 - place / 40, explanation: { source: 'trending', text: place % 3 === 0 ? 'Because you read “Harbour cities agree on a common winter timetable for night ferries”' : 'Read by many of late' } });

/** Stories of the sections that a reader has read come first. */
function slate(userId, k, without, sections) {
  const read = (readers.get(userId) ?? []).map((id) => byId.get(id)?.category);
  const liking = (article) => read.filter((category) => category === article.category).length;
  const ranked = articles.filter(({ article_id: id }) => id !== without && (!sections || sections.includes(byId.get(id).category)) && !readers.get(userId)?.includes(id)).sort((a, b) => liking(b) - liking(a));
  return {
    user_id: userId,
    recommendations: ranked.slice(0, k).map(card),
    impression_id: `mock-${events.length}-${userId}`,
    served_by: read.length > 0 ? 'reranker' : 'trending',
    fresh: true,
    model: 'mock',
    state: { namespace: 'mock', partition: 0, marker: events.length, version: null, reads: read.length },
  };
}

/** The stories of a list, by what was asked. */
function listed(query) {
  const words = (query.get('q') ?? '').toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = ({ title, category, published_time: published }) =>
    (!query.get('category') || category === query.get('category')) &&
    (!query.get('since') || published > query.get('since')) &&
    words.every((word) => title.toLowerCase().includes(word));
  const newest = (a, b) => b.published_time.localeCompare(a.published_time);
  const mostRead = (a, b) => (a.article_id % 11) - (b.article_id % 11);
  const sorted = articles.filter(wanted).sort(query.get('sort') === 'most_read' ? mostRead : newest);
  return sorted.slice(0, Number(query.get('limit') ?? 20)).map(({ body, topics, ...rest }) => rest);
}

const demos = () =>
  [...readers].filter(([, reads]) => reads.length > 0).map(([user_id, reads], at) => ({
    user_id,
    reads: reads.length,
    last_seen: new Date().toISOString(),
    sections: [...new Set(reads.map((id) => byId.get(id)?.category))].slice(0, 3).map((category) => ({ category, reads: 2 })),
    day: ['morning', 'evening', 'night'][at % 3],
    device_type: 1 + (at % 3),
    average_read_time: 41.5,
    topics: [],
  }));

let signedIn = null;
const session = () => ({ user_id: signedIn, expires: null, open: true, demo_readers: true });

function answer(method, path, query, body) {
  if (path === '/session') {
    if (method === 'POST') signedIn = body.user_id;
    if (method === 'DELETE') signedIn = null;
    return session();
  }
  if (path === '/readers/demo') return demos();
  if (path === '/articles/sections') return [...new Set(articles.map(({ category }) => category))].map((category) => ({ category, articles: 3 }));
  if (path === '/articles') return listed(query);
  if (method === 'POST' && path === '/recommend') return slate(body.user_id, body.k ?? 10, body.article_id, body.categories);
  if (method === 'POST' && path === '/event') {
    events.push(body);
    const history = readers.get(body.user_id) ?? [];
    if (!history.includes(body.article_id)) readers.set(body.user_id, [body.article_id, ...history]);
    return { status: 202, partition: 0, offset: events.length, after: `0:${events.length}` };
  }
  if (path === '/users/active') return [...readers].map(([user_id, reads]) => ({ user_id, reads: reads.length, last_seen: new Date().toISOString() }));
  if (path === '/mock/events') return events;
  let found;
  if ((found = /^\/articles\/(\d+)\/related$/.exec(path))) return { article_id: Number(found[1]), ...slate(query.get('user_id'), 3, Number(found[1])) };
  if ((found = /^\/articles\/(\d+)$/.exec(path))) return byId.get(Number(found[1])) ?? { status: 404, title: 'Not found', detail: 'no such article' };
  if ((found = /^\/demo\/(.+)$/.exec(path))) {
    const userId = decodeURIComponent(found[1]);
    const history = (readers.get(userId) ?? []).map((id, place) => {
      const event = events.findLast((one) => one.user_id === userId && one.article_id === id);
      const { title, category } = byId.get(id) ?? {};
      return { article_id: id, title, category, read_time: event?.read_time ?? 42 + 31 * place, scroll_pct: event?.scroll_pct ?? 86 - 9 * place, timestamp: new Date(Date.now() - place * 5e6).toISOString() };
    });
    const { recommendations, served_by, fresh } = slate(userId, 10);
    return { user_id: userId, history, recommendations, topics: [], served_by, fresh };
  }
  if ((found = /^\/users\/([^/]+)\/events$/.exec(path))) {
    const userId = decodeURIComponent(found[1]);
    const lines = events.map((event, offset) => ({ offset, time: new Date().toISOString(), type: 'read', event })).filter(({ event }) => event.user_id === userId);
    return { user_id: userId, partition: 0, topic: 'user_events', events: lines.reverse(), searched: events.length, complete: true };
  }
  if (/^\/users\/[^/]+\/preferences$/.test(path) && method === 'POST') return { status: 202, partition: 0, offset: 1, after: '0:1' };
  if ((found = /^\/users\/([^/]+)$/.exec(path)) && method === 'DELETE') {
    readers.delete(decodeURIComponent(found[1]));
    return { status: 202, partition: 0, offset: 2, after: '0:2' };
  }
  return undefined;
}

async function file(path) {
  const wanted = extname(path) ? normalize(path).replace(/^[/.]+/, '') : 'index.html';
  return { body: await readFile(join(DIST, wanted)), type: TYPES[extname(wanted)] ?? 'application/octet-stream' };
}

createServer(async (request, response) => {
  const url = new URL(request.url, 'http://mock');
  let text = '';
  for await (const chunk of request) text += chunk;
  let body;
  try {
    body = text ? JSON.parse(text) : undefined;
  } catch {
    response.writeHead(400).end();
    return;
  }
  const found = answer(request.method, url.pathname, url.searchParams, body);
  if (found !== undefined) {
    if (delay > 0) await new Promise((done) => setTimeout(done, delay));
    const status = process.env.MOCK_FAIL ? 503 : (found.status ?? 200);
    response.writeHead(status, { 'content-type': status < 400 ? 'application/json' : 'application/problem+json' });
    response.end(JSON.stringify(found));
    return;
  }
  try {
    const { body: content, type } = await file(url.pathname);
    response.writeHead(200, { 'content-type': type, 'content-security-policy': CSP }).end(content);
  } catch {
    response.writeHead(404).end();
  }
}).listen(Number(process.argv[2] ?? 8000), '127.0.0.1', function listening() {
  console.log(`the mock newsroom is at http://127.0.0.1:${this.address().port}/`);
});
