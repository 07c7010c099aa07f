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
const card = ({ article_id, title, subtitle = '', category, published_time }, place) => ({ article_id, title, subtitle, category, published_time, score: 0.9 - place / 40 });

/** Stories of the sections that a reader has read come first. */
function slate(userId, k, without) {
  const read = (readers.get(userId) ?? []).map((id) => byId.get(id)?.category);
  const liking = (article) => read.filter((category) => category === article.category).length;
  const ranked = articles.filter(({ article_id: id }) => id !== without && !readers.get(userId)?.includes(id)).sort((a, b) => liking(b) - liking(a));
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

function answer(method, path, query, body) {
  if (method === 'POST' && path === '/recommend') return slate(body.user_id, body.k ?? 10);
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
