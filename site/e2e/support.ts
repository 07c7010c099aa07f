/** What the browser tests share. They run against a server with articles in it (ABOVEFOLD_URL). */
import { expect } from '@playwright/test';
import type { APIRequestContext, Page, Request } from '@playwright/test';

export interface Piece {
  user_id: string;
  article_id: number;
  read_time: number;
  scroll_pct: number;
  device_type: number;
  view_id: string;
  seq: number;
  impression_id?: string;
  timestamp?: string;
}

export interface Read {
  article_id: number;
  title: string;
  category: string;
  read_time: number;
  scroll_pct: number;
  timestamp: string;
}

const isEvent = (request: Request): boolean => request.method() === 'POST' && new URL(request.url()).pathname === '/event';

/** The pieces that the page sends from now on, in order. */
export function piecesOf(page: Page): Piece[] {
  const told: Piece[] = [];
  page.on('request', (request) => {
    if (isEvent(request)) told.push(request.postDataJSON() as Piece);
  });
  return told;
}

/** A reader whom the server has not met. */
export const freshReader = (name: string): string => `e2e-${name}-${Date.now()}-${Math.floor(Math.random() * 1e6)}`;

/** Lets the page take a reader's name before it starts, unless it already has one. */
export async function readAs(page: Page, userId: string, name = userId): Promise<void> {
  await page.addInitScript(
    (reader) => {
      if (!localStorage.getItem('chronicle.reader')) localStorage.setItem('chronicle.reader', JSON.stringify(reader));
    },
    { userId, name },
  );
}

/** Opens the front page for a reader of its own, and waits for its slate. */
export async function openAs(page: Page, name: string): Promise<string> {
  const userId = freshReader(name);
  await readAs(page, userId);
  await page.goto('/');
  await frontIsSet(page);
  return userId;
}

/** The reader's own page, not the one that the server printed for everybody. */
export async function frontIsSet(page: Page): Promise<void> {
  await expect(page.locator('#paper:not([data-printed]) .front[aria-busy="false"] .story-lead .headline a')).toBeVisible();
}

export const lead = (page: Page) => page.locator('.story-lead .headline a');

/** Opens the lead, and gives its article's number. */
export async function openLead(page: Page): Promise<number> {
  const href = (await lead(page).getAttribute('href')) ?? '';
  await lead(page).click();
  await expect(page.locator('.article h1')).toBeVisible();
  return Number(/\d+$/.exec(href)?.[0]);
}

export const toFront = (page: Page): Promise<void> => page.getByRole('banner').getByRole('link', { name: 'The Daily Chronicle' }).click();

/** What the server made of a reader's reads, newest first; up to a window (5 s) behind the log where no request waited for them. */
export async function historyOf(request: APIRequestContext, userId: string): Promise<Read[]> {
  const answer = await request.get(`/demo/${encodeURIComponent(userId)}`);
  return answer.ok() ? ((await answer.json()) as { history: Read[] }).history : [];
}

/** What the log holds of a reader, oldest first; there at once. */
export async function eventsOf(request: APIRequestContext, userId: string): Promise<Piece[]> {
  const answer = await request.get(`/users/${encodeURIComponent(userId)}/events?limit=100`);
  const { events } = (await answer.json()) as { events: { event: Piece }[] };
  return events.map(({ event }) => event).reverse();
}

/** Nothing of a view is in the log twice. */
export function expectNothingTwice(events: Piece[]): void {
  const pieces = events.map(({ view_id: view, seq }) => `${view} ${seq}`);
  expect(new Set(pieces).size).toBe(pieces.length);
}

/** Collects what a page should never have: errors, and requests to anybody else. */
export function complaintsOf(page: Page, baseURL: string | undefined): string[] {
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('request', (request) => {
    const ours = request.url().startsWith(new URL(baseURL ?? '').origin) || request.url().startsWith('data:');
    if (!ours) complaints.push(`asked ${request.url()}`);
  });
  return complaints;
}
