/** When things fail: the API, the network, the browser's storage, its clock. */
import { expect, test } from '@playwright/test';
import { complaintsOf, eventsOf, expectNothingTwice, frontIsSet, historyOf, lead, openAs, openLead, readAs, freshReader, toFront } from './support';

const API = /\/(recommend|articles|event|demo|users|readers|session)(\/|\?|$)/;

test('when the API is away the page stays readable, says so in one line, and recovers by itself', async ({ page }) => {
  await openAs(page, 'away');
  const headline = await lead(page).textContent();
  await openLead(page);
  await page.route(API, (route) => route.fulfill({ status: 503, contentType: 'application/problem+json', body: '{"status":503}' }));
  await toFront(page);
  await expect(lead(page)).toHaveText(headline ?? '');
  await expect(page.getByText(/^The newsroom does not answer/)).toHaveCount(1);
  await expect(page.locator('.trouble')).toHaveCount(0);
  await page.unroute(API);
  // By itself: nobody presses anything.
  await expect(page.getByText(/^The newsroom does not answer/)).toHaveCount(0, { timeout: 10_000 });
  await frontIsSet(page);
});

test('after a reload without the API, the last edition is shown', async ({ page }) => {
  await openAs(page, 'reload');
  const headline = await lead(page).textContent();
  await page.route('**/recommend', (route) => route.abort());
  await page.reload();
  await expect(page.locator('#paper:not([data-printed])')).toBeVisible();
  await expect(lead(page)).toHaveText(headline ?? '');
  await expect(page.getByText(/^The newsroom does not answer/)).toBeVisible();
  await page.unroute('**/recommend');
  await page.getByRole('button', { name: 'Try again' }).click();
  await expect(page.getByText(/^The newsroom does not answer/)).toHaveCount(0);
});

test('a first visit without the API shows everybody’s edition, as the server printed it', async ({ page }) => {
  await page.route('**/recommend', (route) => route.abort());
  await page.goto('/');
  await expect(page.locator('#paper:not([data-printed]) .story-lead .headline a')).toBeVisible();
  await expect(page.getByText(/^The newsroom does not answer/)).toBeVisible();
  await openLead(page);
  await page.unroute('**/recommend');
  await toFront(page);
  await frontIsSet(page);
});

test('a slow API leaves what was there', async ({ page }) => {
  await openAs(page, 'slow');
  await openLead(page);
  await page.route('**/recommend', async (route) => {
    await new Promise((done) => setTimeout(done, 1_000));
    await route.continue();
  });
  await toFront(page);
  await expect(page.locator('.front[aria-busy="true"] .story-lead .headline a')).toBeVisible();
  await frontIsSet(page);
});

test('what is read offline is told on coming back, once', async ({ page, context, request }) => {
  const userId = await openAs(page, 'offline');
  const id = await openLead(page);
  await context.setOffline(true);
  await page.waitForTimeout(1_000);
  await toFront(page);
  await expect(lead(page)).toBeVisible();
  await expect(page.getByText(/^The newsroom does not answer/)).toBeVisible();
  expect(await historyOf(request, userId)).toEqual([]);
  await context.setOffline(false);
  await expect.poll(async () => (await eventsOf(request, userId)).map((event) => event.article_id)).toEqual([id]);
  await expect(page.getByText(/^The newsroom does not answer/)).toHaveCount(0, { timeout: 10_000 });
  const events = await eventsOf(request, userId);
  expectNothingTwice(events);
  expect(events[0]?.read_time).toBeGreaterThan(0.8);
  expect(await page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith('chronicle.unsent')))).toEqual([]);
});

test('a read that was closed offline is told by the next visit', async ({ page, context, request }) => {
  const userId = await openAs(page, 'closed');
  const id = await openLead(page);
  await page.waitForTimeout(800);
  await context.setOffline(true);
  await page.close();
  await context.setOffline(false);
  const later = await context.newPage();
  await later.goto('/');
  await expect.poll(async () => (await eventsOf(request, userId)).map((event) => event.article_id)).toEqual([id]);
  await later.waitForTimeout(300);
  expectNothingTwice(await eventsOf(request, userId));
});

test('a withdrawn article and one that never was have a proper page', async ({ page }) => {
  await openAs(page, 'withdrawn');
  await page.route(/\/articles\/\d+$/, (route) =>
    route.fulfill({ status: 410, contentType: 'application/problem+json', body: '{"status":410,"title":"Gone"}' }),
  );
  await lead(page).click();
  await expect(page.getByRole('heading', { name: 'Withdrawn' })).toBeVisible();
  await page.unroute(/\/articles\/\d+$/);
  const answer = await page.goto('/article/999999999');
  expect(answer?.status()).toBe(404);
  await expect(page.getByRole('heading', { name: 'Not in the paper' })).toBeVisible();
  await expect(page).toHaveTitle(/Not in the paper/);
  await page.getByRole('link', { name: 'To the front page' }).click();
  await frontIsSet(page);
});

for (const [how, spoil] of [
  ['off', () => {
    for (const which of ['localStorage', 'sessionStorage']) {
      Object.defineProperty(window, which, {
        get() {
          throw new DOMException('denied', 'SecurityError');
        },
      });
    }
  }],
  ['full', () => {
    Storage.prototype.setItem = () => {
      throw new DOMException('full', 'QuotaExceededError');
    };
  }],
] as const) {
  test(`with storage ${how} the paper works, and reads are told`, async ({ page, request, baseURL }) => {
    const complaints = complaintsOf(page, baseURL);
    await page.addInitScript(spoil);
    const event = page.waitForRequest((one) => new URL(one.url()).pathname === '/event');
    await page.goto('/');
    await frontIsSet(page);
    const id = await openLead(page);
    await page.waitForTimeout(300);
    await toFront(page);
    const { user_id: userId } = (await event).postDataJSON() as { user_id: string };
    await expect.poll(async () => (await historyOf(request, userId)).map((read) => read.article_id)).toEqual([id]);
    await expect(page.locator(`.front .story[data-article-id="${id}"]`)).toHaveCount(0);
    expect(complaints).toEqual([]);
  });
}

test('a wrong clock changes neither the date of the paper nor the time of a read', async ({ page, request }) => {
  const now = Date.now();
  await page.clock.install({ time: new Date('2001-02-03T04:05:06Z') });
  const userId = freshReader('clock');
  await readAs(page, userId);
  await page.goto('/');
  await frontIsSet(page);
  await expect(page.locator('.masthead-date')).toContainText(String(new Date(now).getFullYear()));
  await openLead(page);
  await page.clock.runFor(4_000);
  await toFront(page);
  await expect.poll(async () => (await historyOf(request, userId)).length).toBe(1);
  const [read] = await historyOf(request, userId);
  expect(Math.abs(Date.parse(read?.timestamp ?? '') - now)).toBeLessThan(120_000);
  expect(read?.read_time).toBeGreaterThan(3.5);
});
