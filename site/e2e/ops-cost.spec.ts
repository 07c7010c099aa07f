/** What the operations page costs a browser that it stays open in, against a running server (ABOVEFOLD_URL). */
import { expect, test } from '@playwright/test';
import type { CDPSession } from '@playwright/test';

// A trace takes pictures of every frame, which costs more than the page itself.
test.use({ trace: 'off' });

/** A share of a core, in per cent. */
const LIMIT = 20;

const SECONDS = 10;

/** Seconds of processor time so far. */
interface Spent {
  /** Of the page's main thread. */
  thread: number;
  /** Of the page's process: scripts, layout, painting. */
  page: number;
  /** Of all processes of the browser, drawing without a graphics card included. */
  browser: number;
}

async function spent(page: CDPSession, browser: CDPSession): Promise<Spent> {
  const { metrics } = await page.send('Performance.getMetrics');
  const of = (name: string): number => metrics.find((metric) => metric.name === name)?.value ?? Number.NaN;
  const { processInfo } = await browser.send('SystemInfo.getProcessInfo');
  const all = (type: string): number => processInfo.reduce((sum, process) => sum + (process.type.startsWith(type) ? process.cpuTime : 0), 0);
  return { thread: of('TaskDuration'), page: all('renderer'), browser: all('') };
}

test('ten updates a second take less than a fifth of a core', async ({ page, browser }) => {
  await page.setViewportSize({ width: 1600, height: 1000 });
  await page.goto('/ops?every_ms=100');
  await expect(page.locator('.flow').first()).toBeVisible();
  const session = await page.context().newCDPSession(page);
  // Time on the processor, so that what else the machine does makes no difference.
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const whole = await browser.newBrowserCDPSession();
  await page.waitForTimeout(2000);
  const [before, start] = [await spent(session, whole), performance.now()];
  await page.waitForTimeout(SECONDS * 1000);
  const [after, seconds] = [await spent(session, whole), (performance.now() - start) / 1000];
  const share = (part: keyof Spent): number => (100 * (after[part] - before[part])) / seconds;
  const said = `the page's process ${share('page').toFixed(1)} % of a core (its main thread ${share('thread').toFixed(1)} %), all of the browser ${share('browser').toFixed(1)} %`;
  console.log(`/ops with ten updates a second: ${said}`);
  expect(share('page')).toBeLessThan(LIMIT);
});
