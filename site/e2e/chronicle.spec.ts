/** The paper in a real browser, against a running server with articles in it (ABOVEFOLD_URL). */
import { expect, test } from '@playwright/test';
import type { Page, Request } from '@playwright/test';

interface Piece {
  user_id: string;
  article_id: number;
  read_time: number;
  scroll_pct: number;
  device_type: number;
  view_id: string;
  seq: number;
  impression_id?: string;
}

const pieces = (page: Page): Piece[] => {
  const told: Piece[] = [];
  page.on('request', (request: Request) => {
    if (request.method() === 'POST' && new URL(request.url()).pathname === '/event') told.push(request.postDataJSON() as Piece);
  });
  return told;
};

/** Each test has a reader whom the server has not met. */
async function openAs(page: Page, name: string): Promise<string> {
  const userId = `e2e-${name}-${Date.now()}`;
  await page.addInitScript((id) => {
    if (!localStorage.getItem('chronicle.reader')) localStorage.setItem('chronicle.reader', JSON.stringify({ userId: id, name: id }));
  }, userId);
  await page.goto('/');
  await expect(page.locator('.story-lead .headline a')).toBeVisible();
  return userId;
}

test('the front page is set from a slate, without errors and without third parties', async ({ page, baseURL }) => {
  const errors: string[] = [];
  const strangers: string[] = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  page.on('request', (request) => {
    if (!request.url().startsWith(new URL(baseURL ?? '').origin)) strangers.push(request.url());
  });
  await openAs(page, 'front');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('The Daily Chronicle');
  expect(await page.locator('.story').count()).toBeGreaterThanOrEqual(5);
  await expect(page.locator('.story-lead')).toHaveAttribute('data-served-by', /.+/);
  await expect(page.locator('.story-lead .art path').first()).toBeAttached();
  expect(errors).toEqual([]);
  expect(strangers).toEqual([]);
});

test('reading and scrolling is told on leaving, and the front page waits for it', async ({ page }) => {
  const told = pieces(page);
  const userId = await openAs(page, 'read');
  const headline = page.locator('.story-lead .headline a');
  const articleId = Number(/\d+$/.exec((await headline.getAttribute('href')) ?? '')?.[0]);
  await headline.click();
  await expect(page.locator('.article h1')).toBeVisible();
  const start = Date.now();
  await page.waitForTimeout(2500);
  expect(told).toEqual([]);
  await page.locator('.related').scrollIntoViewIfNeeded();
  await page.waitForTimeout(1500);
  const asked = page.waitForRequest((request) => new URL(request.url()).pathname === '/recommend');
  await page.getByRole('link', { name: 'The Daily Chronicle' }).click();
  const seconds = (Date.now() - start) / 1000;
  const request = (await asked).postDataJSON() as { user_id: string; after?: string };
  expect(request.user_id).toBe(userId);
  expect(request.after).toBeTruthy();
  expect(told).toHaveLength(1);
  const [piece] = told as [Piece];
  expect(piece).toMatchObject({ user_id: userId, article_id: articleId, seq: 1, device_type: 3 });
  expect(piece.impression_id).toBeTruthy();
  expect(piece.view_id).not.toBe('');
  expect(Math.abs(piece.read_time - seconds)).toBeLessThan(Math.max(0.6, 0.1 * seconds));
  expect(piece.scroll_pct).toBeGreaterThan(95);
  await expect(page.locator('.front')).toHaveAttribute('aria-busy', 'false');
});

test('a long read is told in pieces of one view, with totals so far', async ({ page }) => {
  const told = pieces(page);
  await openAs(page, 'long');
  await page.locator('.story-lead .headline a').click();
  await expect(page.locator('.article h1')).toBeVisible();
  await expect.poll(() => told.length, { timeout: 20_000 }).toBe(1);
  await page.waitForTimeout(1000);
  await page.getByRole('link', { name: 'The Daily Chronicle' }).click();
  await expect.poll(() => told.length).toBe(2);
  const [first, second] = told as [Piece, Piece];
  expect(second.view_id).toBe(first.view_id);
  expect([first.seq, second.seq]).toEqual([1, 2]);
  expect(Math.abs(first.read_time - 15)).toBeLessThan(1.5);
  expect(second.read_time).toBeGreaterThan(first.read_time + 0.8);
});

test('closing the page tells the read by a beacon', async ({ page, request }) => {
  const userId = await openAs(page, 'close');
  const headline = page.locator('.story-lead .headline a');
  const articleId = Number(/\d+$/.exec((await headline.getAttribute('href')) ?? '')?.[0]);
  await headline.click();
  await expect(page.locator('.article h1')).toBeVisible();
  await page.waitForTimeout(1500);
  await page.goto('about:blank');
  // A page that is gone can be asked nothing, so the server is: what it stored is what counts.
  await expect(async () => {
    const { history } = (await (await request.get(`/demo/${userId}`)).json()) as { history: Piece[] };
    expect(history.map((read) => read.article_id)).toEqual([articleId]);
    expect(history[0]?.read_time).toBeGreaterThan(1.2);
    expect(history[0]?.read_time).toBeLessThan(4);
  }).toPass({ timeout: 20_000 });
});

test('an article has related stories and can be opened by its address', async ({ page }) => {
  await openAs(page, 'related');
  const path = (await page.locator('.story-lead .headline a').getAttribute('href')) ?? '';
  await page.goto(path);
  await expect(page.locator('.article h1')).toBeVisible();
  await expect(page.locator('.related .story')).toHaveCount(3);
  await page.locator('.related .headline a').first().click();
  await expect(page).not.toHaveURL(new RegExp(`${path}$`));
  await page.goBack();
  await expect(page).toHaveURL(new RegExp(`${path}$`));
});

test('the reader can be switched, by name and to a demo account', async ({ page }) => {
  await openAs(page, 'switch');
  await page.getByRole('button', { name: /Reading as/ }).click();
  await page.getByLabel('Your own name').fill('  Anna   Lind ');
  await page.getByRole('button', { name: 'Read', exact: true }).click();
  await expect(page.getByRole('button', { name: 'Reading as Anna Lind' })).toBeVisible();
  await page.getByRole('button', { name: /Reading as/ }).click();
  await page.getByRole('button', { name: 'Use Demo Account' }).click();
  await expect(page.getByRole('button', { name: /Reading as/ })).not.toHaveText(/Anna/);
  await page.reload();
  await expect(page.getByRole('button', { name: /Reading as/ })).not.toHaveText(/Anna/);
});

test('the account shows the reads, takes preferences and forgets', async ({ page }) => {
  await openAs(page, 'account');
  const title = (await page.locator('.story-lead .headline').textContent()) ?? '';
  await page.locator('.story-lead .headline a').click();
  await expect(page.locator('.article h1')).toBeVisible();
  await page.waitForTimeout(1200);
  await page.getByRole('link', { name: 'Account' }).first().click();
  await expect(async () => {
    await page.getByRole('button', { name: 'Refresh' }).click();
    await expect(page.locator('.history-title a').first()).toHaveText(title, { timeout: 1000 });
  }).toPass({ timeout: 20_000 });

  const preferences = page.waitForRequest((request) => request.url().endsWith('/preferences'));
  await page.locator('.topic-choice label').first().click();
  await page.getByRole('button', { name: 'Save' }).click();
  expect(((await preferences).postDataJSON() as { topics: string[] }).topics).toHaveLength(1);
  await expect(page.getByText(/^Saved\./)).toBeVisible();

  await page.getByRole('button', { name: 'Forget me' }).click();
  await page.getByRole('button', { name: /^Yes, forget/ }).click();
  await expect(page.getByText(/has forgotten/)).toBeVisible();
  await expect(async () => {
    await page.getByRole('button', { name: 'Refresh' }).click();
    await expect(page.locator('.history li')).toHaveCount(0, { timeout: 1000 });
  }).toPass({ timeout: 20_000 });
});

test('when the API is away the paper says so, and recovers', async ({ page }) => {
  await page.route('**/recommend', (route) => route.abort());
  await page.goto('/');
  await expect(page.getByText(/could not be fetched just now/)).toBeVisible();
  await page.unroute('**/recommend');
  await page.getByRole('button', { name: 'Try again' }).click();
  await expect(page.locator('.story-lead .headline a')).toBeVisible();
});

test('it fits a window of 320 pixels, and an unknown address has a page', async ({ page }) => {
  await page.setViewportSize({ width: 320, height: 640 });
  await openAs(page, 'narrow');
  const wide = (): Promise<boolean> => page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
  expect(await wide()).toBe(false);
  await page.locator('.story-lead .headline a').click();
  await expect(page.locator('.article h1')).toBeVisible();
  expect(await wide()).toBe(false);
  await page.goto('/no-such-page');
  await expect(page.getByRole('heading', { name: 'Not in the paper' })).toBeVisible();
});
