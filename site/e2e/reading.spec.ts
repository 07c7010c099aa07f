import { expect, test } from '@playwright/test';
import { eventsOf, expectNothingTwice, historyOf, openAs, openLead, piecesOf, toFront } from './support';

/** What counts as the right time: within a tenth, and never finer than the tenths that are told. */
const within = (seconds: number): number => Math.max(0.35, 0.1 * seconds);

test('reading and scrolling arrives in the log, with the right time and depth', async ({ page, request }) => {
  const told = piecesOf(page);
  const userId = await openAs(page, 'read');
  const articleId = await openLead(page);
  const start = Date.now();
  await page.waitForTimeout(2_000);
  expect(told).toEqual([]);
  await page.locator('.related').scrollIntoViewIfNeeded();
  await page.waitForTimeout(1_500);
  const asked = page.waitForRequest((one) => new URL(one.url()).pathname === '/recommend');
  await toFront(page);
  const seconds = (Date.now() - start) / 1000;
  const next = (await asked).postDataJSON() as { user_id: string; after?: string };
  expect(next.user_id).toBe(userId);
  expect(next.after).toBeTruthy();
  expect(told).toHaveLength(1);
  const [piece] = told;
  expect(piece).toMatchObject({ user_id: userId, article_id: articleId, seq: 1, device_type: 3 });
  expect(piece?.impression_id).toBeTruthy();

  // What the server made of it is what counts.
  await expect(page.locator('.front')).toHaveAttribute('aria-busy', 'false');
  const [read, ...others] = await historyOf(request, userId);
  expect(others).toEqual([]);
  expect(read?.article_id).toBe(articleId);
  expect(Math.abs((read?.read_time ?? 0) - seconds)).toBeLessThan(within(seconds));
  expect(read?.scroll_pct).toBeGreaterThan(95);
  const events = await eventsOf(request, userId);
  expect(events).toHaveLength(1);
  expect(events[0]).toMatchObject({ article_id: articleId, view_id: piece?.view_id, seq: 1 });
});

test('time counts only while the page is visible, and not without a reader', async ({ page, request }) => {
  await page.clock.install();
  const userId = await openAs(page, 'visible');
  await openLead(page);
  const hide = (hidden: boolean): Promise<void> =>
    page.evaluate((is) => {
      Object.defineProperty(document, 'visibilityState', { value: is ? 'hidden' : 'visible', configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
  await page.clock.runFor(10_000);
  await hide(true);
  await page.clock.runFor(300_000);
  await hide(false);
  await page.clock.runFor(5_000);
  await page.mouse.move(300, 300);
  // Gone for an hour with the page open: a minute of it may have been reading.
  await page.clock.runFor(3_600_000);
  await hide(true);
  const longest = async (): Promise<number> => Math.max(0, ...(await eventsOf(request, userId)).map((event) => event.read_time));
  await expect.poll(longest).toBeGreaterThan(70);
  expect(await longest()).toBeLessThan(80);
});

test('a long read is told in pieces of one view, with totals so far', async ({ page, request }) => {
  await page.clock.install();
  const told = piecesOf(page);
  const userId = await openAs(page, 'long');
  await openLead(page);
  await page.clock.runFor(15_100);
  await expect.poll(() => told.length).toBe(1);
  await page.mouse.move(200, 200);
  await page.clock.runFor(15_000);
  await expect.poll(() => told.length).toBe(2);
  await page.clock.runFor(3_000);
  await toFront(page);
  await expect.poll(() => told.length).toBe(3);
  expect(new Set(told.map((piece) => piece.view_id)).size).toBe(1);
  expect(told.map((piece) => piece.seq)).toEqual([1, 2, 3]);
  expect(Math.abs((told[0]?.read_time ?? 0) - 15)).toBeLessThan(1.5);
  await expect.poll(async () => (await historyOf(request, userId))[0]?.read_time ?? 0).toBeGreaterThan(32);
  // Three pieces, one read: nothing counts twice.
  expect(await historyOf(request, userId)).toHaveLength(1);
  const events = await eventsOf(request, userId);
  expect(events).toHaveLength(3);
  expectNothingTwice(events);
});

test('closing the page tells the read by a beacon', async ({ page, request }) => {
  const userId = await openAs(page, 'close');
  const articleId = await openLead(page);
  await page.waitForTimeout(1_200);
  await page.goto('about:blank');
  await expect.poll(async () => (await eventsOf(request, userId)).map((event) => event.article_id)).toEqual([articleId]);
  const [event] = await eventsOf(request, userId);
  expect(event?.read_time).toBeGreaterThan(1);
  expect(event?.read_time).toBeLessThan(4);
});

test('two tabs are two views, and the other tab’s front page follows', async ({ page, context, request }) => {
  const userId = await openAs(page, 'tabs');
  const other = await context.newPage();
  await other.goto('/');
  const first = await openLead(other);
  await other.waitForTimeout(600);
  const followed = page.waitForRequest((one) => new URL(one.url()).pathname === '/recommend');
  await toFront(other);
  expect(((await followed).postDataJSON() as { after?: string }).after).toBeTruthy();
  await expect(page.locator(`.front .story[data-article-id="${first}"]`)).toHaveCount(0);
  const second = await openLead(page);
  const third = await openLead(other);
  await page.waitForTimeout(600);
  await toFront(page);
  await toFront(other);
  await expect.poll(async () => (await historyOf(request, userId)).length).toBeGreaterThanOrEqual(second === third ? 2 : 3);
  const events = await eventsOf(request, userId);
  expectNothingTwice(events);
  expect(new Set(events.map((event) => event.view_id)).size).toBe(3);
});
