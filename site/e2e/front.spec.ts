import { expect, test } from '@playwright/test';
import { complaintsOf, frontIsSet, lead, openAs, openLead, toFront } from './support';

test('the front page is set like one, without errors and without third parties', async ({ page, baseURL }) => {
  const complaints = complaintsOf(page, baseURL);
  await openAs(page, 'front');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('The Daily Chronicle');
  await expect(page.locator('.story-lead')).toHaveAttribute('data-served-by', /.+/);
  await expect(page.locator('.story-lead .art path').first()).toBeAttached();
  await expect(page.locator('.front-second .story')).toHaveCount(2);
  await expect(page.locator('.front-third .story')).toHaveCount(4);
  await expect(page.locator('.front-section').first()).toBeVisible();
  await expect(page.locator('.headlines-numbered li a')).toHaveCount(5);
  await expect(page.getByRole('heading', { name: 'The latest' })).toBeVisible();
  await expect(page.locator('.story .why').first()).toHaveText(/\w/);
  const ids = await page.locator('.front .story').evaluateAll((stories) => stories.map((story) => story.getAttribute('data-article-id')));
  expect(new Set(ids).size).toBe(ids.length);
  expect(complaints).toEqual([]);
});

test('what came in since the last visit is said', async ({ page, context, request }) => {
  const userId = await openAs(page, 'since');
  // Let the last visit have been before the third newest article came out.
  const [, , third] = (await (await request.get('/articles?limit=3')).json()) as { published_time: string }[];
  await page.evaluate(
    ([id, time]) => localStorage.setItem(`chronicle.newest.${id}`, JSON.stringify(time)),
    [userId, third?.published_time ?? ''] as const,
  );
  const later = await context.newPage();
  await later.goto('/');
  await expect(later.getByRole('heading', { name: 'New since your last visit' })).toBeVisible();
  expect(await later.locator('.headlines:not(.headlines-numbered) li a').count()).toBeLessThanOrEqual(2);
});

test('a section has a page of its own, and the search finds a headline', async ({ page }) => {
  await openAs(page, 'section');
  const title = (await page.locator('.front-third .headline').first().textContent()) ?? '';
  const link = page.locator('.sections-nav a').first();
  const name = (await link.textContent()) ?? '';
  await link.click();
  await expect(page.getByRole('heading', { level: 1, name })).toBeVisible();
  await expect(page.locator('.section-page .story').first()).toBeVisible();
  for (const kicker of await page.locator('.section-page .story .kicker').allTextContents()) expect(kicker).toContain(name);
  await expect(page.locator('.sections-nav [aria-current="page"]')).toHaveText(name);
  await expect(page.locator('main')).toBeFocused();

  const words = title.split(/\s+/).slice(0, 4).join(' ');
  await page.getByRole('searchbox', { name: 'Search', exact: true }).fill(words);
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/search\?q=/);
  await expect(page.locator('.archive-list .headline', { hasText: title }).first()).toBeVisible();
  await page.getByLabel('Words of a title').fill('zzz no such headline');
  await page.getByRole('button', { name: 'Search' }).click();
  await expect(page.getByText(/^No headline has/)).toBeVisible();
  await page.goBack();
  await expect(page.locator('.archive-list .headline', { hasText: title }).first()).toBeVisible();
});

test('an article has three related stories and can be opened by its address', async ({ page }) => {
  await openAs(page, 'related');
  const path = (await lead(page).getAttribute('href')) ?? '';
  await page.goto(path);
  await expect(page.locator('#paper:not([data-printed]) .article h1')).toBeVisible();
  await expect(page.locator('.related .story')).toHaveCount(3);
  await page.locator('.related .headline a').first().click();
  await expect(page).not.toHaveURL(new RegExp(`${path}$`));
  await expect(page.locator('main')).toBeFocused();
  await page.goBack();
  await expect(page).toHaveURL(new RegExp(`${path}$`));
  // By a link of the server's own page, too: the printed page and the script's agree.
  await page.goto('/no-such-page');
  await expect(page.getByRole('heading', { name: 'Not in the paper' })).toBeVisible();
});

test('coming back from an article, the page follows and marks gently what moved', async ({ page }) => {
  await openAs(page, 'follow');
  const before = await page.locator('.front .story').evaluateAll((all) => all.map((story) => story.getAttribute('data-article-id')));
  const id = await openLead(page);
  await page.locator('.related').scrollIntoViewIfNeeded();
  await page.evaluate(() => {
    interface Shift extends PerformanceEntry {
      value: number;
      hadRecentInput: boolean;
      sources: { node: Element | null }[];
    }
    const shifts: [number, string][] = ((window as unknown as { shifts: [number, string][] }).shifts = []);
    new PerformanceObserver((list) => {
      for (const { value, hadRecentInput, sources } of list.getEntries() as Shift[]) {
        if (!hadRecentInput) shifts.push([value, sources.map(({ node }) => node?.className ?? '').join(', ')]);
      }
    }).observe({ type: 'layout-shift' });
  });
  // The new page comes so late after the click that its shifts are its own.
  await page.route('**/recommend', async (route) => {
    await new Promise((done) => setTimeout(done, 700));
    await route.continue();
  });
  const left = Date.now();
  await toFront(page);
  await frontIsSet(page);
  await expect(page.locator(`.front .story[data-article-id="${id}"]`)).toHaveCount(0);
  expect(Date.now() - left).toBeLessThan(1_700);
  const after = await page.locator('.front .story').evaluateAll((all) => all.map((story) => story.getAttribute('data-article-id')));
  expect(after).not.toEqual(before);
  const arrived = after.filter((one) => !before.includes(one));
  if (arrived.length <= after.length / 2) {
    for (const one of arrived) await expect(page.locator(`.story[data-article-id="${one}"] .moved`)).toHaveText('New on your page');
  }
  const shifts = await page.evaluate(() => (window as unknown as { shifts: [number, string][] }).shifts);
  expect(shifts.reduce((sum, [value]) => sum + value, 0), JSON.stringify(shifts)).toBeLessThan(0.05);
});

test('titles are text, whatever stands in them', async ({ page }) => {
  await page.route('**/recommend', async (route) => {
    const answer = await route.fetch();
    const slate = (await answer.json()) as { recommendations: { title: string }[] };
    for (const card of slate.recommendations) card.title = '<img src=x onerror="window.harmed = true"><b>Bold</b> & plain';
    await route.fulfill({ response: answer, json: slate });
  });
  await openAs(page, 'markup');
  await expect(lead(page)).toHaveText('<img src=x onerror="window.harmed = true"><b>Bold</b> & plain');
  expect(await page.evaluate(() => 'harmed' in window)).toBe(false);
});

test('the interface is in English and Danish, and the choice is kept', async ({ page }) => {
  await openAs(page, 'danish');
  await page.getByRole('button', { name: 'Dansk' }).click();
  await expect(page.locator('html')).toHaveAttribute('lang', 'da');
  await expect(page.getByRole('heading', { name: 'Mest læst' })).toBeVisible();
  await expect(page.locator('.story-lead .headline')).toHaveAttribute('lang', 'en');
  await page.reload();
  await frontIsSet(page);
  await expect(page.locator('html')).toHaveAttribute('lang', 'da');
  await expect(page.locator('.masthead-nav').getByRole('link', { name: 'Konto' })).toBeVisible();
  await page.getByRole('button', { name: 'English' }).click();
  await expect(page.locator('html')).toHaveAttribute('lang', 'en');
});
