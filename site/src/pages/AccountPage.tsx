import { useEffect, useLayoutEffect } from 'preact/hooks';
import { readerPage } from '../api/client';
import type { HistoryEntry } from '../api/types';
import { TextSkeleton } from '../components/Skeleton';
import { Trouble } from '../components/Trouble';
import type { Reader } from '../reader/store';
import { articlePath, settleScroll } from '../router';
import { afterFor } from '../telemetry/after';
import { dateAndTime, duration, moment } from '../text/words';
import { useAnswer } from '../useAnswer';
import { ForgetMe } from './ForgetMe';
import { Topics } from './Topics';

export function AccountPage({ reader }: { reader: Reader }) {
  // The list waits for what was done last, be it the read that led here or the wish to be forgotten.
  const { value, trouble, waiting, again } = useAnswer(
    () => afterFor(reader.userId).then((after) => readerPage(reader.userId, after)),
    [reader.userId],
  );
  const history = value?.history ?? [];
  useEffect(() => {
    document.title = 'Account · The Daily Chronicle';
  }, []);
  useLayoutEffect(settleScroll, []);
  // A reader that nobody has heard of has simply not read yet.
  const unknown = trouble?.status === 404;
  return (
    <div class="account">
      <header class="account-head">
        <p class="kicker">Account</p>
        <h1>{reader.name}</h1>
        <p class="standfirst">What the paper knows of you, and what you may change about it.</p>
      </header>
      <section class="account-history" aria-labelledby="history-title" aria-busy={waiting}>
        <div class="section-row">
          <h2 class="section-name" id="history-title">
            What you have read
          </h2>
          <button type="button" class="plain" onClick={again}>
            Refresh
          </button>
        </div>
        {trouble && !unknown && <Trouble trouble={trouble} again={again} what="Your history" />}
        {!value && waiting && <TextSkeleton lines={6} />}
        {(unknown || value) && history.length === 0 && (
          <p class="empty">
            Nothing yet. <a href="/">The front page</a> is a good place to begin.
          </p>
        )}
        {history.length > 0 && (
          <>
            <SectionShares history={history} />
            <ol class="history">
              {history.map((read) => (
                <Read key={`${read.article_id} ${read.timestamp}`} read={read} />
              ))}
            </ol>
          </>
        )}
      </section>
      <aside class="account-side">
        <Topics reader={reader} history={history} />
        <ForgetMe reader={reader} onForgotten={again} />
      </aside>
    </div>
  );
}

function Read({ read }: { read: HistoryEntry }) {
  const time = moment(read.timestamp);
  const scroll = read.scroll_pct;
  return (
    <li>
      <p class="kicker">{read.category || 'News'}</p>
      <p class="history-title">
        <a href={articlePath(read.article_id)}>{read.title || `Article ${read.article_id}`}</a>
      </p>
      <p class="quiet">
        {time && <time dateTime={time.toISOString()}>{dateAndTime(time)}</time>}
        <span>read for {duration(read.read_time)}</span>
        {scroll !== null && scroll !== undefined && <span>{Math.round(scroll)} % seen</span>}
      </p>
    </li>
  );
}

/** How the reads are spread over the sections, as short bars. */
function SectionShares({ history }: { history: HistoryEntry[] }) {
  const counts = new Map<string, number>();
  for (const { category } of history) counts.set(category || 'News', (counts.get(category || 'News') ?? 0) + 1);
  const largest = Math.max(...counts.values());
  return (
    <ul class="shares" aria-label="Reads by section">
      {[...counts]
        .sort((a, b) => b[1] - a[1])
        .slice(0, 6)
        .map(([name, count]) => (
          <li key={name}>
            <span>{name}</span>
            <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
              <rect class="share-bar" width={(100 * count) / largest} height="8" />
            </svg>
            <span class="share-count">{count}</span>
          </li>
        ))}
    </ul>
  );
}
