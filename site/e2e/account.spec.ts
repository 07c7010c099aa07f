import { expect, test } from '@playwright/test';
import { eventsOf, frontIsSet, historyOf, lead, openAs, openLead, toFront } from './support';

const reader = /Reading as/;

test('a demo account is chosen by its portrait, with a session that a script cannot see', async ({ page, context }) => {
  await openAs(page, 'switch');
  await page.getByRole('button', { name: reader }).click();
  await page.getByRole('button', { name: 'Use Demo Account' }).click();
  const accounts = page.locator('.demo-list button');
  await expect(accounts.first()).toBeFocused();
  expect(await accounts.count()).toBeGreaterThanOrEqual(2);
  await expect(accounts.first()).toHaveText(/Mostly .+ reads? so far/s);
  const name = (await accounts.first().locator('strong').textContent()) ?? '';
  await accounts.first().click();
  await expect(page.getByRole('button', { name: `Reading as ${name}` })).toBeVisible();
  await frontIsSet(page);
  const cookie = (await context.cookies()).find((one) => one.name === 'abovefold_session');
  expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict' });
  expect(await page.evaluate(() => document.cookie)).toBe('');
  await page.reload();
  await expect(page.getByRole('button', { name: `Reading as ${name}` })).toBeVisible();

  await page.getByRole('link', { name: 'Account' }).first().click();
  await expect(page.locator('.history li').first()).toBeVisible();
  await expect(page.getByText('Signed in on this browser')).toBeVisible();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page.getByRole('button', { name: 'Reading as a guest' })).toBeVisible();
  expect((await context.cookies()).some((one) => one.name === 'abovefold_session')).toBe(false);
});

test('a name of one’s own is kept, also by the session alone', async ({ page }) => {
  await page.goto('/');
  await frontIsSet(page);
  await page.getByRole('button', { name: reader }).click();
  await page.getByLabel('Your own name').fill('  Anna   Lind ');
  await page.getByRole('button', { name: 'Read', exact: true }).click();
  await expect(page.getByRole('button', { name: 'Reading as Anna Lind' })).toBeVisible();
  await page.evaluate(() => localStorage.clear());
  await page.reload();
  await expect(page.getByRole('button', { name: 'Reading as Anna Lind' })).toBeVisible();
});

test('the account tells what is known, as it is stored, and forgets', async ({ page, request }) => {
  const userId = await openAs(page, 'account');
  const title = (await page.locator('.story-lead .headline').textContent()) ?? '';
  await openLead(page);
  await page.waitForTimeout(600);
  await page.getByRole('link', { name: 'Account' }).first().click();
  await expect(page.locator('.history-title a').first()).toHaveText(title);
  await expect(page.locator('.tally')).toHaveText(/^One read/);
  await expect(page.locator('.stored-lines code').first()).toContainText('"read_time"');
  await expect(page.locator('.stored-lines code').first()).toContainText(userId);

  await page.getByRole('button', { name: 'Forget me' }).click();
  await page.getByRole('button', { name: /^Yes, forget/ }).click();
  await expect(page.getByText(/has forgotten/)).toBeVisible();
  await expect(page.locator('.history li')).toHaveCount(0);
  await expect.poll(async () => (await historyOf(request, userId)).length).toBe(0);
});

test('preferences change a cold reader’s page', async ({ page, request }) => {
  const userId = await openAs(page, 'prefers');
  const leading = (await page.locator('.story-lead .kicker').textContent()) ?? '';
  const sections = await page.locator('.sections-nav a').allTextContents();
  const wished = sections.find((section) => !leading.includes(section)) ?? '';
  const inWished = (): Promise<number> => page.locator('.front-top .kicker, .front-third .kicker').filter({ hasText: wished }).count();
  const before = await inWished();
  await page.getByRole('link', { name: 'Account' }).first().click();
  await page.locator('.topic-choice label', { hasText: wished }).click();
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText(/^Saved\./)).toBeVisible();
  await toFront(page);
  await frontIsSet(page);
  await expect(page.locator('.front .why', { hasText: `Because you chose ${wished}` }).first()).toBeVisible();
  expect(await inWished()).toBeGreaterThan(before);
  expect((await eventsOf(request, userId)).length).toBe(1);
  // Told by the server, not by this browser.
  await page.evaluate(() => localStorage.removeItem('chronicle.sections'));
  await page.getByRole('link', { name: 'Account' }).first().click();
  await expect(page.locator('.topic-choice label', { hasText: wished }).getByRole('checkbox')).toBeChecked();
});

test('side by side, one reader reads and only that page follows', async ({ page }) => {
  await openAs(page, 'side');
  await page.getByRole('link', { name: 'Side by side' }).click();
  const [left, right] = [page.locator('.side-sheet').first(), page.locator('.side-sheet').last()];
  await expect(left.locator('.side-story')).toHaveCount(11);
  await expect(right.locator('.side-story')).toHaveCount(11);
  const shown = (sheet: typeof left): Promise<(string | null)[]> =>
    sheet.locator('.side-story').evaluateAll((all) => all.map((story) => story.getAttribute('data-article-id')));
  const [leftBefore, rightBefore] = [await shown(left), await shown(right)];
  await left.getByRole('button', { name: /^Read this/ }).first().click();
  await expect(page.getByRole('log')).toContainText(/page followed within \d+ ms/);
  expect(await shown(left)).not.toEqual(leftBefore);
  expect(await shown(right)).toEqual(rightBefore);

  await page.getByRole('button', { name: 'Let them read' }).click();
  await expect(page.getByRole('button', { name: 'Stop' })).toBeVisible();
  await expect(page.getByRole('button', { name: 'Let them read' })).toBeVisible({ timeout: 15_000 });
  expect(await shown(right)).toEqual(rightBefore);
});

test('the reader can be chosen with the keyboard alone', async ({ page }) => {
  await openAs(page, 'keyboard');
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to the page' })).toBeFocused();
  await page.keyboard.press('Tab');
  await expect(page.getByRole('button', { name: reader })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog')).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await expect(page.getByRole('button', { name: reader })).toBeFocused();
  await lead(page).focus();
  await page.keyboard.press('Enter');
  await expect(page.locator('.article h1')).toBeVisible();
});
