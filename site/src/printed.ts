/** What the server printed into the page: HTML to read at once, and the data it was made from. */
import { article, rememberArticle } from './api/client';
import type { Article, Card } from './api/types';
import { askBefore } from './reader/front';
import { rememberSections } from './reader/sections';
import { rememberPrinted } from './reader/slates';
import type { Reader } from './reader/store';
import { routeOf } from './router';

interface Printed {
  article?: Article;
  cards?: Card[];
}

function printedData(): Printed {
  try {
    return JSON.parse(document.getElementById('printed-data')?.textContent ?? '{}') as Printed;
  } catch {
    return {};
  }
}

/**
 * Gets ready what the page that was opened needs first, so that the script takes over from the printed page without a gap. Ends when that
 * is there or cannot be had; until then the printed page stands, and its links are ordinary ones.
 */
export async function prepare(reader: Reader, paper: HTMLElement): Promise<void> {
  const printed = printedData();
  if (printed.cards) rememberSections(printed.cards);
  if (printed.article) rememberArticle(printed.article.article_id, Promise.resolve(printed.article));
  const route = routeOf(location.pathname + location.search);
  const asked = route.page === 'front' ? askBefore(reader.userId) : route.page === 'article' ? article(route.id) : undefined;
  if (!asked || paper.childElementCount === 0) return;
  try {
    await asked;
  } catch {
    // Everybody's edition is better than none.
    if (route.page === 'front' && printed.cards) rememberPrinted(reader.userId, printed.cards);
  }
}
