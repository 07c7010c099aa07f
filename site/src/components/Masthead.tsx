import { useState } from 'preact/hooks';
import { usePaperDay } from '../api/time';
import { Emblem } from '../art/Emblem';
import { nameOf } from '../reader/store';
import type { Reader } from '../reader/store';
import { useWords } from '../text/language';
import { longDate } from '../text/words';
import { ReaderDialog } from './ReaderDialog';
import { SectionsNav } from './SectionsNav';

/** The head of every page; the front page's is the large one and holds the page's heading. */
export function Masthead({ reader, small, section }: { reader: Reader; small: boolean; section: string | undefined }) {
  const [choosing, setChoosing] = useState(false);
  const words = useWords();
  const { paper } = words;
  const Name = small ? 'p' : 'h1';
  const today = usePaperDay();
  return (
    <header class={small ? 'masthead masthead-small' : 'masthead'}>
      <div class="masthead-bar">
        <time class="masthead-date" dateTime={today.slice(0, 10)}>
          {longDate(new Date(today))}
        </time>
        <nav class="masthead-nav" aria-label={paper.readerMenu}>
          <button type="button" class="plain" aria-haspopup="dialog" onClick={() => setChoosing(true)}>
            {paper.readingAs} <strong>{nameOf(reader, words)}</strong>
          </button>
          <a href="/account">{paper.account}</a>
        </nav>
      </div>
      <div class="masthead-plate">
        <Emblem />
        <Name class="masthead-name">
          <a href="/">{paper.name}</a>
        </Name>
        <Emblem />
      </div>
      {!small && (
        <p class="masthead-motto">
          <span>{paper.motto[0]}</span>
          <span aria-hidden="true">✦</span>
          <span>{paper.motto[1]}</span>
        </p>
      )}
      <SectionsNav open={section} />
      {choosing && <ReaderDialog reader={reader} onClose={() => setChoosing(false)} />}
    </header>
  );
}
