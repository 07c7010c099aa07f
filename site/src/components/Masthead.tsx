import { useState } from 'preact/hooks';
import type { Reader } from '../reader/store';
import { longDate } from '../text/words';
import { Emblem } from '../art/Emblem';
import { ReaderDialog } from './ReaderDialog';

/** The head of every page; the front page's is the large one and holds the page's heading. */
export function Masthead({ reader, small }: { reader: Reader; small: boolean }) {
  const [choosing, setChoosing] = useState(false);
  const Name = small ? 'p' : 'h1';
  return (
    <header class={small ? 'masthead masthead-small' : 'masthead'}>
      <div class="masthead-bar">
        <time class="masthead-date" dateTime={new Date().toISOString().slice(0, 10)}>
          {longDate(new Date())}
        </time>
        <nav class="masthead-nav" aria-label="Reader">
          <button type="button" class="plain" aria-haspopup="dialog" onClick={() => setChoosing(true)}>
            Reading as <strong>{reader.name}</strong>
          </button>
          <a href="/account">Account</a>
        </nav>
      </div>
      <div class="masthead-plate">
        <Emblem />
        <Name class="masthead-name">
          <a href="/">The Daily Chronicle</a>
        </Name>
        <Emblem />
      </div>
      {!small && (
        <p class="masthead-motto">
          <span>Every reader’s own edition</span>
          <span aria-hidden="true">✦</span>
          <span>Set anew as you read</span>
        </p>
      )}
      {choosing && <ReaderDialog reader={reader} onClose={() => setChoosing(false)} />}
    </header>
  );
}
