/** The operations page in a real browser, against a running server (ABOVEFOLD_URL) whose admin interface asks for no key. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { expect, test } from '@playwright/test';
import type { APIRequestContext, Page } from '@playwright/test';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Violation {
  id: string;
  nodes: { html: string }[];
}

async function open(page: Page, path = '/ops'): Promise<void> {
  await page.goto(path);
  await expect(page.locator('.flow').first()).toBeVisible();
  await expect(page.locator('.freshness')).toHaveText(/^live/);
}

/** Evaluated by the debugger, since the page's own policy lets no script in. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const { axe: engine } = window as unknown as { axe: { run: () => Promise<{ violations: Violation[] }> } };
    return (await engine.run()).violations;
  });
  return found.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' | ')}`);
}

const lagShown = async (page: Page): Promise<number> => Number((await page.locator('[data-series="lag"]').textContent())?.replace(/\D/g, '') || Number.NaN);

async function read(request: APIRequestContext, count: number): Promise<void> {
  const slate = (await (await request.post('/recommend', { data: { user_id: 'e2e-ops', k: 1 } })).json()) as { recommendations: { article_id: number }[] };
  for (let at = 0; at < count; at += 1) {
    const event = { user_id: `e2e-ops-${at}`, article_id: slate.recommendations[0]?.article_id, read_time: 30, scroll_pct: 80, device_type: 3 };
    expect((await request.post('/event', { data: event })).status()).toBe(202);
  }
}

test('the page draws what the program runs, without errors and without third parties', async ({ page, baseURL }) => {
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  page.on('request', (request) => {
    if (!request.url().startsWith(new URL(baseURL ?? '').origin)) errors.push(`asked ${request.url()}`);
  });
  await open(page);
  const write = page.locator('.flow').filter({ has: page.getByText('write', { exact: true }) });
  for (const step of ['user_events', 'decode', 'window', 'embed', 'sink']) await expect(write.getByText(step, { exact: true })).toBeVisible();
  await expect(write.locator('.edge')).toHaveCount(5);
  await expect(page.locator('tr[data-partition]')).not.toHaveCount(0);
  await expect(page.locator('.curve canvas')).toHaveCount(6);
  await page.getByText('The same as a table').click();
  await expect(page.getByRole('row', { name: /^write decode window/ })).toBeVisible();
  expect(errors).toEqual([]);
});

test('the lag rises while the worker is paused, and falls after', async ({ page, request }) => {
  await open(page, '/ops?every_ms=100');
  await expect.poll(() => lagShown(page)).toBeGreaterThanOrEqual(0);
  const before = await lagShown(page);
  await page.getByRole('button', { name: 'Pause the worker' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Pause the worker' }).click();
  await expect(page.locator('.notice')).toHaveText(/The worker is paused\./);
  try {
    await expect(page.getByRole('button', { name: 'Resume the worker' })).toBeVisible();
    await read(request, 40);
    await expect.poll(() => lagShown(page), { timeout: 15_000 }).toBeGreaterThanOrEqual(before + 40);
    await expect(page.locator('tr[data-partition] td:last-child').first()).toHaveText('paused');
  } finally {
    await request.post('/admin/worker/resume');
  }
  await expect(page.getByRole('button', { name: 'Pause the worker' })).toBeVisible();
  await expect.poll(() => lagShown(page), { timeout: 20_000 }).toBeLessThan(before + 20);
});

test('axe finds nothing, wide and narrow, light and dark, asking and asked', async ({ page }) => {
  for (const [width, colorScheme] of [[1600, 'light'], [1600, 'dark'], [320, 'light'], [320, 'dark']] as const) {
    await page.setViewportSize({ width, height: 1000 });
    await page.emulateMedia({ colorScheme });
    await open(page);
    await page.getByText('The same as a table').click();
    expect(await violations(page)).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth)).toBe(false);
    await page.getByRole('button', { name: 'Pause the worker' }).click();
    expect(await violations(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await expect(page.getByRole('dialog')).toHaveCount(0);
  }
});

test('it can be worked by keys alone, and fits a wall', async ({ page }) => {
  await page.setViewportSize({ width: 3840, height: 2160 });
  await open(page);
  expect(await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth)).toBe(false);
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to the content' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.locator('main')).toBeFocused();
  const pause = page.getByRole('button', { name: 'Pause the worker' });
  await pause.focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog').getByRole('button', { name: 'Cancel' })).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(pause).toBeFocused();
  const table = page.getByRole('group', { name: 'Partitions' });
  await table.focus();
  await expect(table).toBeFocused();
});

test('it asks for a key where one is wanted, and says when it is refused', async ({ page }) => {
  let right = false;
  await page.route('**/admin/live*', async (route) => {
    const given = (await route.request().allHeaders())['authorization'];
    right = given === 'Bearer open sesame';
    if (right) await route.continue();
    else await route.fulfill({ status: given === undefined ? 401 : 403, json: { detail: 'an admin key is asked for' } });
  });
  await page.goto('/ops');
  const key = page.getByLabel('Key', { exact: true });
  await expect(key).toBeFocused();
  expect(await violations(page)).toEqual([]);
  await key.fill('guess');
  await page.keyboard.press('Enter');
  await expect(page.getByText('That key was refused.')).toBeVisible();
  await key.fill('open sesame');
  await page.keyboard.press('Enter');
  await expect(page.locator('.flow').first()).toBeVisible();
  expect(right).toBe(true);
  await page.reload();
  await expect(page.locator('.flow').first()).toBeVisible();
  await page.getByRole('button', { name: 'Forget the key' }).click();
  await expect(key).toBeVisible();
});

test('it says when its data is old, and recovers by itself', async ({ page, context }) => {
  await open(page);
  await page.getByRole('combobox', { name: 'Updates' }).selectOption('500');
  await expect(page.locator('.freshness')).toHaveText(/^live/);
  await page.route('**/admin/live*', (route) => route.abort());
  await context.setOffline(true);
  await page.getByRole('combobox', { name: 'Updates' }).selectOption('1000');
  await expect(page.locator('.freshness')).toHaveText(/^data is \d+ s old .*trying again/, { timeout: 10_000 });
  await context.setOffline(false);
  await page.unroute('**/admin/live*');
  await expect(page.locator('.freshness')).toHaveText(/^live/, { timeout: 30_000 });
});

test('a dead letter is looked at and put back, once it can be read', async ({ page, request }) => {
  await open(page);
  const letter = (reason: RegExp) => page.locator('.panel-letters tbody tr').filter({ hasText: reason }).first();
  // What is no event still is none, and is shown as the text that it is.
  const dead = letter(/not a JSON object/);
  await dead.getByRole('button', { name: /^Look at/ }).click();
  await expect(page.getByRole('dialog').locator('pre')).toHaveText('<b>no event</b> at all');
  expect(await violations(page)).toEqual([]);
  await page.getByRole('button', { name: 'Close' }).click();
  await dead.getByRole('button', { name: /^Put back/ }).click();
  await expect(page.locator('.notice')).toHaveText(/^0 put back, 1 still cannot be read\./);
  // What an earlier program did not understand counts from now on.
  const understood = letter(/by an earlier program/);
  await understood.getByRole('button', { name: /^Put back/ }).click();
  await expect(page.locator('.notice')).toHaveText(/^1 put back\./);
  await expect(understood.getByText('is back')).toBeVisible();
  await expect(async () => {
    const { history } = (await (await request.get('/demo/put-back')).json()) as { history: { article_id: number }[] };
    expect(history.map((read) => read.article_id)).toEqual([1]);
  }).toPass({ timeout: 20_000 });
});

test('the time machine shows a front page of then beside the one of now', async ({ page }) => {
  test.setTimeout(120_000);
  await open(page);
  const slider = page.getByRole('slider');
  await slider.focus();
  const before = (await slider.getAttribute('aria-valuetext')) ?? '';
  // The earlier the moment, the less there is to replay.
  await page.keyboard.press('Home');
  await page.keyboard.press('PageUp');
  await expect(slider).not.toHaveAttribute('aria-valuetext', before);
  await page.getByRole('button', { name: 'Show' }).click();
  await expect(page.locator('.pages section')).toHaveCount(2, { timeout: 100_000 });
  await expect(page.locator('.pages section').nth(1).locator('li')).not.toHaveCount(0);
  expect(await violations(page)).toEqual([]);
});
