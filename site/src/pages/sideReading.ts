/** Reads that the side-by-side view does for its readers: through the same interface as a publisher's page. */
import { articlesOf, recommend, sendEvent } from '../api/client';
import type { Card, Slate } from '../api/types';
import { deviceType } from '../reader/device';
import { freshId } from '../storage';

/** A reader's page as it is, and what is new on it by the latest read. */
export interface Sheet {
  slate: Slate;
  moved: ReadonlySet<number>;
}

/** The lead, and five rows of two. */
const STORIES = 11;
/** A read from beginning to end. */
const READ_SECONDS = 60;

async function slateOf(userId: string, after?: string): Promise<Slate> {
  return recommend({ user_id: userId, k: STORIES, device_type: deviceType(), explain: true, ...(after ? { after } : {}) });
}

export const askSheet = async (userId: string): Promise<Sheet> => ({ slate: await slateOf(userId), moved: new Set() });

/** Tells a read, and asks for the page that counts it in; `milliseconds` is what both took. */
export async function readOn(userId: string, card: Card, before: Sheet | undefined): Promise<{ sheet: Sheet; milliseconds: number }> {
  const start = performance.now();
  const fromSlate = before?.slate.recommendations.some((shown) => shown.article_id === card.article_id);
  const accepted = await sendEvent({
    user_id: userId,
    article_id: card.article_id,
    read_time: READ_SECONDS,
    scroll_pct: 100,
    device_type: deviceType(),
    view_id: freshId(),
    seq: 1,
    ...(fromSlate && before ? { impression_id: before.slate.impression_id } : {}),
  });
  const slate = await slateOf(userId, accepted?.after);
  const milliseconds = Math.round(performance.now() - start);
  const known = new Set(before?.slate.recommendations.map((shown) => shown.article_id));
  const moved = slate.recommendations.map((shown) => shown.article_id).filter((id) => !known.has(id));
  return { sheet: { slate, moved: new Set(moved) }, milliseconds };
}

/** The latest stories of the section that a page has least of: what its reader does not usually read. */
export async function storiesUnlike(sheet: Sheet | undefined, count: number): Promise<Card[]> {
  const newest = await articlesOf({ limit: 100 });
  const inPaper = (section: string): number => newest.filter((card) => card.category === section).length;
  const onPage = (section: string): number =>
    sheet?.slate.recommendations.filter((card) => card.category === section).length ?? 0;
  const sections = [...new Set(newest.map((card) => card.category))];
  const enough = Math.min(count, Math.max(...sections.map(inPaper)));
  const [rarest] = sections.filter((section) => inPaper(section) >= enough).sort((a, b) => onPage(a) - onPage(b));
  return newest.filter((card) => card.category === rarest).slice(0, count);
}

export const pause = (milliseconds: number): Promise<void> => new Promise((done) => setTimeout(done, milliseconds));
