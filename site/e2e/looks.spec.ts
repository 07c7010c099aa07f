/** Every page at every width: no violation that axe knows, nothing wider than the window, and a picture kept. */
import { expect, test } from '@playwright/test';
import type { Page } from '@playwright/test';
import axe from 'axe-core';
import { frontIsSet, historyOf, openLead, readAs, toFront, freshReader } from './support';

const PICTURES = new URL('../test-results/pages/', import.meta.url).pathname;

const SIZES = [
  ['narrow', 320, 640],
  ['tablet', 820, 1100],
  ['wide', 1280, 900],
  ['4k', 3840, 2160],
] as const;

/** Where axe looks; light and dark are the same at the others. */
const ACCESS_SIZES = SIZES.filter(([size]) => size === 'narrow' || size === 'wide');

/** Each page by its address, and what shows that it is there. */
const PAGES: readonly (readonly [name: string, path: string, there: string])[] = [
  ['front', '/', '.front[aria-busy="false"] .headlines-numbered a'],
  ['article', '', '.related .story'],
  ['section', '/section/', '.archive-list .story'],
  ['search', '/search?q=a', '.search-count'],
  ['account', '/account', '.stored-lines li, .stored .empty'],
  ['side', '/side-by-side', '.side-sheet:last-child .side-story'],
  ['missing', '/no-such-page', '.missing'],
];

interface Violation {
  id: string;
  nodes: { html: string }[];
}

async function violationsOf(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const found = await page.evaluate(async () => {
    const { axe: run } = window as unknown as { axe: { run: () => Promise<{ violations: Violation[] }> } };
    return (await run.run()).violations;
  });
  return found.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).slice(0, 3).join(' ')}`);
}

const reader = freshReader('looks');

/** A reader with a read, and the paths that need an article or a section. */
async function open(page: Page, name: string, path: string): Promise<void> {
  await readAs(page, reader, 'Edith');
  if (name === 'article' || name === 'section') {
    await page.goto('/');
    await frontIsSet(page);
    if (name === 'article') await openLead(page);
    else await page.locator('.sections-nav a').first().click();
  } else {
    await page.goto(path);
  }
}

test.beforeAll(async ({ browser, request }) => {
  const page = await browser.newPage();
  await readAs(page, reader, 'Edith');
  await page.goto('/');
  await frontIsSet(page);
  await openLead(page);
  await toFront(page);
  await expect.poll(async () => (await historyOf(request, reader)).length).toBe(1);
  await page.close();
});

for (const [name, path, there] of PAGES) {
  for (const scheme of ['light', 'dark'] as const) {
    test(`${name}, ${scheme}: no violation, and it fits every width`, async ({ browser }) => {
      const context = await browser.newContext({ colorScheme: scheme, reducedMotion: 'reduce' });
      const page = await context.newPage();
      await open(page, name, path);
      for (const [size, width, height] of scheme === 'light' ? SIZES : ACCESS_SIZES) {
        await page.setViewportSize({ width, height });
        await expect(page.locator(there).first()).toBeVisible();
        expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0);
        if (ACCESS_SIZES.some(([one]) => one === size)) expect(await violationsOf(page)).toEqual([]);
        await page.screenshot({ path: `${PICTURES}${name}-${size}-${scheme}.png` });
      }
      await context.close();
    });
  }
}

test('the dialog of readers has no violation, and the page behind it is out of reach', async ({ page }) => {
  await readAs(page, reader, 'Edith');
  await page.goto('/');
  await frontIsSet(page);
  await page.getByRole('button', { name: /Reading as/ }).click();
  await page.getByRole('button', { name: 'Use Demo Account' }).click();
  await expect(page.locator('.demo-list button').first()).toBeVisible();
  expect(await violationsOf(page)).toEqual([]);
  await page.screenshot({ path: `${PICTURES}reader-wide-light.png` });
});

test('reduced motion is respected', async ({ browser }) => {
  const context = await browser.newContext({ reducedMotion: 'reduce' });
  const page = await context.newPage();
  await readAs(page, reader, 'Edith');
  await page.goto('/');
  await frontIsSet(page);
  const moving = await page.evaluate(() => document.getAnimations().filter((one) => one.playState === 'running').length);
  expect(moving).toBe(0);
  await context.close();
});

test('without JavaScript the front page and an article can be read', async ({ browser }) => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto('/');
  await expect(page.getByRole('heading', { level: 1, name: 'The Daily Chronicle' })).toBeVisible();
  await page.screenshot({ path: `${PICTURES}front-printed.png` });
  await page.locator('.story-lead .headline a').click();
  await expect(page.locator('.article-body p').first()).toBeVisible();
  await page.screenshot({ path: `${PICTURES}article-printed.png` });
  await context.close();
});
