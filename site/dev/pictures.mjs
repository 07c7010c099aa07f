/** Pictures of the paper at its widths and in both lights: `node dev/pictures.mjs URL FOLDER`. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium } from '@playwright/test';

const [base = 'http://127.0.0.1:8000', folder = 'pictures'] = process.argv.slice(2);
await mkdir(folder, { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const VIEWS = [
  ['wide', { width: 1280, height: 900 }, 'light'],
  ['narrow', { width: 320, height: 640 }, 'light'],
  ['dark', { width: 1280, height: 900 }, 'dark'],
  ['narrow-dark', { width: 320, height: 640 }, 'dark'],
];
for (const [name, viewport, colorScheme] of VIEWS) {
  const page = await browser.newPage({ viewport, colorScheme, reducedMotion: 'reduce' });
  page.on('console', (message) => message.type() === 'error' && console.log(`${name}: ${message.text()}`));
  page.on('pageerror', (error) => console.log(`${name}: ${error}`));
  const shot = (what) => page.screenshot({ path: join(folder, `${what}-${name}.png`), fullPage: true });
  await page.addInitScript(() => localStorage.setItem('chronicle.reader', '{"userId":"maren","name":"maren"}'));
  await page.goto(base);
  await page.locator('.story-lead').first().waitFor();
  await page.waitForTimeout(400);
  await shot('front');
  await page.getByRole('button', { name: /Reading as/ }).click();
  await page.waitForTimeout(300);
  await page.screenshot({ path: join(folder, `reader-${name}.png`) });
  await page.keyboard.press('Escape');
  await page.locator('.story-lead .headline a').click();
  await page.locator('.related .story').first().waitFor();
  await page.waitForTimeout(300);
  await shot('article');
  await page.getByRole('link', { name: 'Account' }).first().click();
  await page.locator('.history li').first().waitFor();
  await shot('account');
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  if (overflow) console.log(`${name}: the page is wider than the window`);
  await page.close();
}
await browser.close();
