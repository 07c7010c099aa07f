/**
 * One visit to a running paper, in a real browser: `npm run visit -- [URL] [READER]`. Reads the lead for 40 s, looks elsewhere for 5 s in the middle, goes back,
 * and reads the story that leads then for a few seconds. What it leaves in the log: `abovefold sql` (site/README.md).
 */
import { chromium } from '@playwright/test';

const [base = 'http://127.0.0.1:8000', reader = 'visitor'] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
await page.addInitScript((id) => localStorage.setItem('chronicle.reader', JSON.stringify({ userId: id, name: id })), reader);
await page.goto(base);

const lead = () => page.locator('#paper:not([data-printed]) .front[aria-busy="false"] .story-lead .headline a');
const seconds = (count) => page.waitForTimeout(1_000 * count);
/** Another tab is in front: the page is hidden. */
const hide = (hidden) =>
  page.evaluate((is) => {
    Object.defineProperty(document, 'visibilityState', { value: is ? 'hidden' : 'visible', configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);

await lead().click();
await page.locator('.article h1').waitFor();
await seconds(20);
await hide(true);
await seconds(5);
await hide(false);
await page.locator('.related').scrollIntoViewIfNeeded();
await seconds(20);
await page.getByRole('banner').getByRole('link', { name: 'The Daily Chronicle' }).click();
await lead().click();
await page.locator('.article h1').waitFor();
await seconds(6);
await page.goto('about:blank');
await seconds(1);
await browser.close();
