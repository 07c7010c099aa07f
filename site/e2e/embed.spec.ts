/** The example of docs/embed.md, as it stands there, on a page of another origin (EMBED_PORT, which the API must allow). */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from '@playwright/test';
import { eventsOf, freshReader } from './support';

const text = readFileSync(new URL('../../docs/embed.md', import.meta.url), 'utf8');
const script = /```js\n([\s\S]*?)```/.exec(text)?.[1] ?? '';

test('the example is forty lines, and a publisher’s page works by it', async ({ page, request, baseURL }) => {
  expect(script.split('\n').filter((line) => line.trim() !== '' && !line.trim().startsWith('//')).length).toBeLessThanOrEqual(40);
  const userId = freshReader('embed');
  const [card] = (await (await request.get('/articles?limit=1')).json()) as { article_id: number }[];
  const id = card?.article_id ?? 0;
  const html = `<!doctype html><html lang="en"><title>A publisher</title><meta http-equiv="content-security-policy"
    content="default-src 'self'; connect-src ${baseURL}"><script type="module" src="/reading.js"></script>
    <article data-abovefold="${baseURL}" data-reader="${userId}" data-article="${id}" data-token="">${'<p>Text.</p>'.repeat(60)}</article><ol id="next"></ol>`;
  const answer = (path: string): [type: string, body: string] =>
    path === '/reading.js' ? ['text/javascript', script] : ['text/html', html];
  const server = createServer((asked, response) => {
    const [type, body] = answer(asked.url ?? '/');
    response.writeHead(200, { 'content-type': type }).end(body);
  });
  const port = Number(process.env['EMBED_PORT'] ?? 0);
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  try {
    if (port === 0) {
      // Where the API allows no other origin, the page answers from the paper's own.
      await page.route('**/reading.js', (route) => route.fulfill({ contentType: 'text/javascript', body: script }));
      await page.route('**/publisher', (route) => route.fulfill({ contentType: 'text/html', body: html }));
    }
    await page.goto(port === 0 ? '/publisher' : `${origin}/publisher`);
    await expect(page.locator('#next a')).toHaveCount(3);
    const start = Date.now();
    await page.waitForTimeout(1_500);
    await page.keyboard.press('End');
    await page.waitForTimeout(1_000);
    const seconds = (Date.now() - start) / 1000;
    await page.goto('about:blank');
    await expect.poll(async () => (await eventsOf(request, userId)).map((event) => event.article_id)).toContain(id);
    const read = (await eventsOf(request, userId)).at(-1);
    // From the opening on, so a little more than was waited.
    expect(read?.read_time).toBeGreaterThan(0.9 * seconds);
    expect(read?.read_time).toBeLessThan(1.1 * seconds + 1.5);
    expect(read?.scroll_pct).toBe(100);
    expect(complaints).toEqual([]);
  } finally {
    server.close();
  }
});
