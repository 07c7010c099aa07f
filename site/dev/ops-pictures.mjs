/** Pictures of the operations page at its widths and in both lights: `node dev/ops-pictures.mjs URL FOLDER`. */
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
  ['ops', { width: 1600, height: 1000 }, 'light'],
  ['ops-dark', { width: 1600, height: 1000 }, 'dark'],
  ['ops-narrow', { width: 320, height: 1200 }, 'light'],
  ['ops-narrow-dark', { width: 320, height: 1200 }, 'dark'],
];
for (const [name, viewport, colorScheme] of VIEWS) {
  const page = await browser.newPage({ viewport, colorScheme, reducedMotion: 'reduce' });
  page.on('console', (message) => message.type() === 'error' && console.log(`${name}: ${message.text()}`));
  page.on('pageerror', (error) => console.log(`${name}: ${error}`));
  await page.goto(`${base}/ops`);
  await page.locator('.flow').first().waitFor();
  await page.waitForTimeout(2500);
  await page.screenshot({ path: join(folder, `${name}.png`) });
  if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)) console.log(`${name}: the page is wider than the window`);
  await page.close();
}
await browser.close();
