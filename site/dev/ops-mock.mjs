/**
 * A stand-in for the admin interface, for work on the operations page without the program: serves site/dist, and tells of
 * five dataflows under a load that comes and goes. `node dev/ops-mock.mjs [PORT]`; OPS_KEY=word asks for that key.
 */
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { articles } from './stories.mjs';

const DIST = fileURLToPath(new URL('../dist', import.meta.url));
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
const CSP = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const key = process.env.OPS_KEY;
const began = Date.now();

const flow = (name, names) => ({
  name,
  nodes: names.map((node, at) => ({
    name: node,
    kind: at === 0 ? 'source' : at === names.length - 1 ? 'sink' : 'operator',
    takes: at === 0 ? null : 'Feed<DecodedRun>',
    emits: at === names.length - 1 ? null : 'Feed<DecodedRun>',
  })),
  edges: names.slice(1).map((_, at) => [at, at + 1]),
});
const graphs = [
  flow('write', ['user_events', 'decode', 'window', 'key by reader', 'embed', 'sink']),
  flow('intake', ['user_events', 'decode', 'window', 'intake', 'sink']),
  flow('articles', ['articles', 'article index']),
  flow('learner', ['user_events', 'learner', 'learned']),
  flow('query', 'requests state retrieve features rerank freshness fatigue stories diversity sections choice exploration compose explain answer'.split(' ')),
];

const iso = (ms) => new Date(ms).toISOString();
const world = { paused: false, behind: [0, 0, 0, 0], ends: [41_200, 39_870, 40_455, 40_981], live: 'main', model: 'evening', machines: [], green: 31_000 };
const seeded = [
  { partition: 1, offset: 0, value: '<b>no event</b> at all', reason: 'not a JSON object: expected value at line 1 column 1' },
  { partition: 0, offset: 1_000_000_000, value: '{"user_id":"put-back","article_id":1}', reason: 'was not understood by an earlier program' },
].map((letter) => ({ id: `user_events-${letter.partition}-${letter.offset}`, topic: 'user_events', time: iso(began), key: 'put-back', ...letter }));
let letters = [...seeded, ...Array.from({ length: 21 }, (_, at) => ({
  id: `user_events-${at % 4}-${38_000 + 71 * at}`,
  topic: 'user_events',
  partition: at % 4,
  offset: 38_000 + 71 * at,
  time: iso(began - at * 47_000),
  key: at % 3 === 0 ? null : `reader-${at}`,
  value: at % 2 === 0 ? '{"user_id":"ann","article_id":"<b>seven</b>"' : '{"user_id":"ann","read_time":-4}',
  reason: at % 2 === 0 ? 'not JSON: EOF while parsing an object at line 1 column 44' : 'article_id is missing',
}))];
const lines = [
  { level: 'error', target: 'abovefold_operators::articles', text: 'article edge does not answer: connection refused (os error 111); the articles in memory serve', before: 240 },
  { level: 'warn', target: 'abovefold_operators::query', text: 'impressions are lost: the queue is full topic=impressions', before: 320 },
  { level: 'warn', target: 'abovefold::http', text: 'without keys whoever reaches the port may read and write for every reader listen=127.0.0.1:8000', before: 2400 },
].map(({ before, ...line }) => ({ time: iso(began - before * 1000), ...line }));

/** A wave between 0 and 1, the same for the same moment. */
const wave = (ms, period, shift = 0) => 0.5 + 0.5 * Math.sin(((ms / 1000 + shift) / period) * 2 * Math.PI);
const noise = (ms, salt) => Math.abs(Math.sin(ms * 0.000917 + salt * 12.9898) * 43758.5453) % 1;

function seriesAt(ms) {
  const load = 0.25 + 0.7 * wave(ms, 420) + 0.12 * noise(ms, 1);
  return {
    events_per_s: 460 * load,
    gru_steps_per_s: 430 * load,
    requests_per_s: 180 * load + 14 * noise(ms, 2),
    p50_ms: 2.1 + 1.4 * load + 0.5 * noise(ms, 3),
    p95_ms: 6 + 5 * load + 2 * noise(ms, 4),
    p99_ms: 11 + 14 * load * load + 6 * noise(ms, 5),
    gru_batch_fill: Math.min(1, 0.2 + 0.6 * load),
    cache_hit_rate: 0.86 - 0.2 * load + 0.04 * noise(ms, 6),
    busiest_edge_waited: Math.max(0, 0.7 * load - 0.32),
    open_windows: Math.round(3 + 4 * load),
    dead_letters: letters.length,
  };
}

function lagAt(ms) {
  const lags = [0, 1, 2, 3].map((partition) => Math.round(3.4 * wave(ms, 420) * (0.2 + noise(ms, 20 + partition))));
  return Object.fromEntries([['lag', lags.reduce((sum, lag) => sum + lag)], ...lags.map((lag, partition) => [`lag.${partition}`, lag])]);
}

function past(everyMs) {
  const at_ms = Array.from({ length: 880 }, (_, at) => Date.now() - (880 - at) * 1000);
  const series = {};
  for (const ms of at_ms) {
    for (const [name, value] of Object.entries({ ...seriesAt(ms), ...lagAt(ms) })) (series[name] ??= []).push(value);
  }
  return { every_ms: everyMs, graphs, at_ms, series };
}

let lastStep = Date.now();
function step() {
  const ms = Date.now();
  const seconds = (ms - lastStep) / 1000;
  lastStep = ms;
  const came = (seriesAt(ms).events_per_s / 4) * seconds;
  world.green = Math.min(162_000, world.green + 900 * seconds);
  for (let partition = 0; partition < 4; partition += 1) {
    world.ends[partition] += came;
    world.behind[partition] = Math.max(0, world.behind[partition] + (world.paused ? came : -300 * seconds));
  }
  for (const machine of world.machines) {
    machine.done = Math.min(machine.total, machine.done + Math.round(26_000 * seconds));
    if (machine.done === machine.total) machine.state = 'ready';
  }
}
setInterval(step, 100);

function edgesAt(ms, graph, at) {
  const all = seriesAt(ms);
  const rate = [all.events_per_s, all.events_per_s, 0.4, all.events_per_s, all.requests_per_s][at];
  return graph.edges.map(([from, to], edge) => {
    const pressed = at === 0 && edge >= 2 ? Math.max(0, all.busiest_edge_waited * (edge === 3 ? 1.9 : edge === 4 ? 0.05 : 0.6)) : 0;
    const slows = world.paused && at === 0 ? 0 : rate;
    const channel = at < 4;
    return {
      from, to,
      rows_per_s: slows * (at === 4 && edge > 1 ? 90 : 1),
      messages_per_s: slows / 9,
      rows: Math.round((ms - began) * 0.3),
      queued: channel ? Math.round(16 * Math.min(1, pressed + 0.1 * noise(ms, edge))) : null,
      capacity: channel ? 16 : null,
      waited: channel ? Math.min(1, pressed) : null,
    };
  });
}

let seq = 0;
function snapshot(everyMs) {
  const ms = Date.now();
  const lags = world.behind.map((behind, at) => Math.round(behind + (world.paused ? 0 : lagAt(ms)[`lag.${at}`])));
  const series = { ...seriesAt(ms), lag: lags.reduce((sum, lag) => sum + lag), ...Object.fromEntries(lags.map((lag, at) => [`lag.${at}`, lag])) };
  if (world.paused) Object.assign(series, { events_per_s: 0, gru_steps_per_s: 0 });
  const stopped = process.env.OPS_STOPPED ? [{ dataflow: 'write', reason: 'a value of reader 42 does not parse: unexpected end of bytes' }] : [];
  const of = (name, part) => ({ route: name, requests_per_s: series.requests_per_s * part, p50_ms: series.p50_ms * (0.6 + part), p95_ms: series.p95_ms, p99_ms: series.p99_ms });
  seq += 1;
  return {
    at_ms: ms, seq, series, every_ms: everyMs, namespace: world.live, watermark: iso(ms - 700), paused: world.paused, works: true,
    flows: graphs.map((graph, at) => ({
      name: graph.name,
      edges: edgesAt(ms, graph, at),
      nodes: graph.nodes.map((node) => ({ held_rows: node.name === 'window' ? Math.round(90 * noise(ms, 9)) : null, open_windows: at === 0 && node.name === 'embed' ? series.open_windows : null })),
    })),
    partitions: lags.map((lag, partition) => ({
      partition, marker: Math.round(world.ends[partition]) - lag, log_begin: 0, log_end: Math.round(world.ends[partition]), lag,
      watermark: iso(ms - 700 - lag * 12), stopped: partition === 2 ? stopped : [],
    })),
    gru: { steps_per_s: series.gru_steps_per_s, batch_fill: series.gru_batch_fill, tile: 128 },
    cache: { hits_per_s: 90, misses_per_s: 20, hit_rate: series.cache_hit_rate },
    http: { requests_per_s: series.requests_per_s, p50_ms: series.p50_ms, p95_ms: series.p95_ms, p99_ms: series.p99_ms, errors_per_s: 0, routes: [of('/recommend', 0.6), of('/event', 0.3), of('/articles/{id}', 0.1)] },
    served_by: [
      { served_by: 'reranker', per_s: series.requests_per_s * 0.71, total: 70_210 + seq }, { served_by: 'cached', per_s: series.requests_per_s * 0.18, total: 18_801 },
      { served_by: 'trending', per_s: series.requests_per_s * 0.09, total: 9_014 }, { served_by: 'also-read', per_s: series.requests_per_s * 0.02, total: 1_707 },
    ],
    arms: [{ name: 'trees', share: 0.5, namespace: null, per_s: series.requests_per_s / 2, total: 49_620 }, { name: 'reranker', share: 0.5, namespace: 'green', per_s: series.requests_per_s / 2, total: 50_112 }],
    dead_letters: letters.length,
    namespaces: [
      { name: 'green', live: world.live === 'green', kind: world.live === 'green' ? 'live' : 'beside', done: Math.round(world.green), total: 162_000, until: null },
      { name: 'main', live: world.live === 'main', kind: world.live === 'main' ? 'live' : 'beside', done: 162_501, total: 162_501 + series.lag, until: null },
      { name: 'tuesday', live: false, kind: 'past', done: 90_112, total: 90_112, until: '2026-11-24T12:00:00Z' },
    ],
    model: { version: '2026-11-27-1', precision: 'bf16', device: 'cpu', digest: 'ab12cd34' },
    models: ['evening', 'morning'].map((name) => ({ name, version: `2026-11-27-${name === 'evening' ? 1 : 0}`, serves: world.model === name, current: world.model === name })),
    edges: { log: { status: 'ok', detail: '162501 events in 4 partitions' }, state: { status: 'ok', detail: 'embedded, 41 MiB' }, articles: { status: 'ok', detail: '2400 articles, scan' } },
    fallbacks: [], reason: world.paused ? 'the worker is paused: events are not folded' : stopped.length > 0 ? 'write stopped partition 2' : null,
    log: { warnings: lines.filter((line) => line.level === 'warn').length, errors: lines.filter((line) => line.level === 'error').length },
    time_machines: world.machines, pages: 1,
  };
}

function stream(url, response) {
  const everyMs = Math.min(10_000, Math.max(100, Number(url.searchParams.get('every_ms') ?? 1000)));
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  const send = (name, data) => response.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  send('history', past(everyMs));
  const timer = setInterval(() => send('snapshot', snapshot(everyMs)), everyMs);
  send('snapshot', snapshot(everyMs));
  response.on('close', () => clearInterval(timer));
}

function slate(id) {
  const machine = world.machines.find((one) => one.id === id);
  if (id !== 'live' && machine?.state !== 'ready') return { status: 409, detail: 'it is still replaying' };
  const from = id === 'live' ? 0 : 3;
  const shown = [...articles.slice(from, from + 9), articles[from === 0 ? 15 : 1]];
  return { recommendations: shown.map(({ article_id, title, category }) => ({ article_id, title, category })), served_by: 'reranker', until: machine?.until };
}

function answer(method, url, body) {
  const path = url.pathname;
  let found;
  if (path === '/recommend') return { recommendations: articles.slice(0, body.k) };
  if (path === '/demo/put-back') return { history: [{ article_id: 1 }] };
  if (path === '/event') {
    world.ends[0] += 1;
    world.behind[0] += 1;
    return { status: 202, partition: 0, offset: 0, after: '' };
  }
  if (path === '/admin/log') return { lines };
  if (path === '/admin/dead-letters') {
    const reasons = [...new Set(letters.map((letter) => letter.reason))].map((reason) => ({ reason, count: letters.filter((letter) => letter.reason === reason).length }));
    return { total: letters.length, letters: letters.slice(0, 50).map(({ id, time, value, reason, put_back = false }) => ({ id, time, bytes: value.length, reason, put_back })), reasons };
  }
  if (path === '/admin/dead-letters/put-back') {
    const chosen = letters.filter((letter) => body.all || body.ids.includes(letter.id));
    const dead = chosen.filter((letter) => letter.value.startsWith('<'));
    for (const letter of chosen) letter.put_back = !dead.includes(letter);
    return { put_back: chosen.length - dead.length, still_dead: dead.length };
  }
  if ((found = /^\/admin\/dead-letters\/(.+)$/.exec(path))) return letters.find((letter) => letter.id === decodeURIComponent(found[1])) ?? { status: 404, detail: 'no such dead letter' };
  if ((found = /^\/admin\/namespaces\/(\w+)\/promote$/.exec(path))) {
    const was = world.live;
    world.live = found[1];
    return { live: world.live, was };
  }
  if ((found = /^\/admin\/models\/(\w+)\/promote$/.exec(path))) {
    world.model = found[1];
    return { name: found[1], version: '2026-11-27-0', note: null };
  }
  if ((found = /^\/admin\/worker\/(pause|resume)$/.exec(path))) return { paused: (world.paused = found[1] === 'pause') };
  if (path === '/users/active') return ['maren', 'okafor', 'reader-17'].map((user_id) => ({ user_id, reads: 3, last_seen: iso(Date.now()) }));
  if (path === '/admin/time-machine' && method === 'GET') return { machines: world.machines, earliest: iso(began - 14 * 86_400_000), latest: iso(Date.now()) };
  if (path === '/admin/time-machine') {
    const machine = { id: `past-${body.until.replace(/\W/g, '')}`, until: body.until, state: 'replaying', done: 0, total: 60_000, error: null };
    world.machines = [machine];
    return machine;
  }
  if (path === '/admin/time-machine/slate') return slate(url.searchParams.get('id'));
  return undefined;
}

createServer(async (request, response) => {
  const url = new URL(request.url, 'http://mock');
  let text = '';
  for await (const chunk of request) text += chunk;
  const json = (status, data) => response.writeHead(status, { 'content-type': status < 400 ? 'application/json' : 'application/problem+json' }).end(JSON.stringify(data));
  const guarded = url.pathname.startsWith('/admin/') || url.pathname === '/users/active';
  if (guarded && key && request.headers.authorization !== `Bearer ${key}`) {
    const asked = request.headers.authorization === undefined;
    json(asked ? 401 : 403, { detail: asked ? 'an admin key is asked for' : 'this key opens nothing here' });
    return;
  }
  if (url.pathname === '/admin/live') {
    stream(url, response);
    return;
  }
  const found = answer(request.method, url, text === '' ? undefined : JSON.parse(text));
  if (found !== undefined) {
    json(found.status ?? 200, found);
    return;
  }
  try {
    const wanted = url.pathname === '/ops' ? 'ops.html' : extname(url.pathname) ? normalize(url.pathname).replace(/^[/.]+/, '') : 'index.html';
    const body = await readFile(join(DIST, wanted));
    response.writeHead(200, { 'content-type': TYPES[extname(wanted)] ?? 'application/octet-stream', 'content-security-policy': CSP }).end(body);
  } catch {
    response.writeHead(404).end();
  }
}).listen(Number(process.argv[2] ?? 8000), '127.0.0.1', function listening() {
  console.log(`the mock operations page is at http://127.0.0.1:${this.address().port}/ops`);
});
