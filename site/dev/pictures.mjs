/**
 * The pictures of docs/pictures, of a running demo: `npm run pictures -- [URL] [FOLDER]`. They show two of its readers, who differ in what they read;
 * READERS=17,42 chooses others.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from '@playwright/test';
import { smallPng } from './smallPng.mjs';

const DOCS = fileURLToPath(new URL('../../docs/pictures', import.meta.url));
const [base = 'http://127.0.0.1:8000', folder = DOCS] = process.argv.slice(2);
await mkdir(folder, { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const known = process.env.READERS?.split(',') ?? (await (await fetch(`${base}/readers/demo?limit=8`)).json()).map((reader) => reader.user_id);
const [first, second] = known;
const decoder = await browser.newPage();

const WIDE = { width: 1280, height: 900 };
const NARROW = { width: 360, height: 780 };

/** Opens a page for a reader, and hands it to `look` once `there` is seen and its pictures are drawn. */
async function picture(name, { reader = first, path = '/', size = WIDE, scheme = 'light', there, height, look }) {
  const page = await browser.newPage({ viewport: size, colorScheme: scheme, reducedMotion: 'reduce', locale: 'en-GB' });
  page.on('console', (message) => message.type() === 'error' && console.log(`${name}: ${message.text()}`));
  page.on('pageerror', (error) => console.log(`${name}: ${error}`));
  await page.addInitScript((id) => localStorage.setItem('chronicle.reader', JSON.stringify({ userId: id, name: id })), reader);
  await page.goto(base + path);
  await page.locator(`#paper:not([data-printed]) ${there}`).first().waitFor();
  await look?.(page);
  await page.waitForLoadState('networkidle');
  // The engravings are cut one after the other.
  await page.waitForFunction(() => [...document.querySelectorAll('.art')].every((art) => art.querySelector('path')));
  const whole = await page.evaluate(() => document.documentElement.scrollHeight);
  await page.setViewportSize({ width: size.width, height: Math.min(height ?? whole, whole) });
  await page.evaluate(() => scrollTo(0, 0));
  const png = await smallPng(decoder, await page.screenshot());
  await writeFile(join(folder, `${name}.png`), png);
  console.log(`${name}.png: ${Math.round(png.length / 1024)} KB`);
  await page.close();
}

const front = { there: '.headlines-numbered a' };
await picture('front-page', { ...front, height: 1500 });
await picture('front-page-second-reader', { ...front, reader: second, height: 1500 });
await picture('front-page-dark', { ...front, scheme: 'dark', height: 1250 });
await picture('front-page-narrow', { ...front, size: NARROW, height: 1300 });
await picture('front-page-narrow-dark', { ...front, reader: second, size: NARROW, scheme: 'dark', height: 1300 });
await picture('article', {
  there: '.story-lead .headline a',
  look: async (page) => {
    await page.locator('.story-second .headline a').first().click();
    await page.locator('.related .story').first().waitFor();
  },
});
await picture('account', { path: '/account', there: '.history li', height: 1100 });
await picture('side-by-side', {
  path: '/side-by-side',
  there: '.side-sheet:last-child .side-story',
  height: 1720,
  look: async (page) => {
    // What the picture is to show: one of the two has read, and that one's page followed.
    await page.locator('.side-head select').first().selectOption(first);
    await page.locator('.side-head select').last().selectOption(second);
    await page.getByRole('button', { name: 'Let them read' }).click();
    await page.getByRole('button', { name: 'Let them read' }).waitFor({ timeout: 30_000 });
  },
});
await browser.close();
