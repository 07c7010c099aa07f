/** What the operations page costs a browser that it stays open in, against a running server (ABOVEFOLD_URL). */
import { expect, test } from '@playwright/test';
import type { CDPSession } from '@playwright/test';

// A trace takes pictures of every frame, which costs more than the page itself.
test.use({ trace: 'off' });

/** A share of a core, in per cent. */
const LIMIT = 20;

const SECONDS = 10;

interface Spent {
  thread: number;
  scripts: number;
  browser: number;
}

/** Seconds of processor time so far: of the page's main thread, of its scripts, and of all processes of the browser. */
async function spent(page: CDPSession, browser: CDPSession): Promise<Spent> {
  const { metrics } = await page.send('Performance.getMetrics');
  const of = (name: string): number => metrics.find((metric) => metric.name === name)?.value ?? Number.NaN;
  const { processInfo } = await browser.send('SystemInfo.getProcessInfo');
  return { thread: of('TaskDuration'), scripts: of('ScriptDuration'), browser: processInfo.reduce((sum, { cpuTime }) => sum + cpuTime, 0) };
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
  const said = `main thread ${share('thread').toFixed(1)} % of a core (scripts ${share('scripts').toFixed(1)} %), all processes of the browser ${share('browser').toFixed(1)} %`;
  console.log(`/ops with ten updates a second: ${said}`);
  expect(share('thread')).toBeLessThan(LIMIT);
});
