import { useLayoutEffect, useState } from 'preact/hooks';
import { readerPage } from '../api/client';
import type { HistoryEntry } from '../api/types';
import { ReaderDialog } from '../components/ReaderDialog';
import { TextSkeleton } from '../components/Skeleton';
import { Trouble } from '../components/Trouble';
import { becomeGuest, nameOf, useSession } from '../reader/store';
import type { Reader } from '../reader/store';
import { articlePath, settleScroll } from '../router';
import { afterFor } from '../telemetry/after';
import { articleTongue, useWords } from '../text/language';
import { dateAndTime, duration, moment } from '../text/words';
import { useAnswer } from '../useAnswer';
import { useTitle } from '../useTitle';
import { ForgetMe } from './ForgetMe';
import { SectionShares } from './SectionShares';
import { StoredLines } from './StoredLines';
import { Topics } from './Topics';

/** What the paper knows of a reader, and what the reader may change about it. */
export function AccountPage({ reader }: { reader: Reader }) {
  const words = useWords();
  const { account } = words;
  // Each time the history is asked for, the stored events are, too.
  const [asked, setAsked] = useState(0);
  // The list waits for what was done last, be it the read that led here or the wish to be forgotten.
  const { value, trouble, waiting, again } = useAnswer(
    () => afterFor(reader.userId).then((after) => readerPage(reader.userId, after)),
    [reader.userId],
  );
  const refresh = (): void => {
    again();
    setAsked((count) => count + 1);
  };
  const history = value?.history ?? [];
  useTitle(account.kicker);
  useLayoutEffect(settleScroll, []);
  // A reader that nobody has heard of has simply not read yet.
  const unknown = trouble?.status === 404;
  return (
    <div class="account">
      <header class="account-head">
        <p class="kicker">{account.kicker}</p>
        <h1>{nameOf(reader, words)}</h1>
        <p class="standfirst">{account.standfirst}</p>
        <SignedIn reader={reader} />
      </header>
      <section class="account-history" aria-labelledby="history-title" aria-busy={waiting}>
        <div class="section-row">
          <h2 class="section-name" id="history-title">
            {account.read}
          </h2>
          <button type="button" class="plain" onClick={refresh}>
            {account.refresh}
          </button>
        </div>
        {trouble && !unknown && <Trouble trouble={trouble} again={refresh} what={account.historyWhat} />}
        {!value && waiting && <TextSkeleton lines={6} />}
        {(unknown || value) && history.length === 0 && (
          <p class="empty">
            {account.nothing} <a href="/">{account.begin}</a>
          </p>
        )}
        {history.length > 0 && (
          <>
            <SectionShares history={history} />
            <History reads={history} />
          </>
        )}
      </section>
      <aside class="account-side">
        <Topics key={value ? 'known' : 'asked'} reader={reader} history={history} topics={value?.topics} />
        <ForgetMe reader={reader} onForgotten={refresh} />
      </aside>
      <StoredLines userId={reader.userId} asked={asked} />
    </div>
  );
}

/** Whether this browser has a session, and the ways in and out of one. */
function SignedIn({ reader }: { reader: Reader }) {
  const { account } = useWords();
  const session = useSession();
  const [choosing, setChoosing] = useState(false);
  const own = session?.user_id === reader.userId;
  return (
    <p class="signed-in quiet">
      <span>{own ? account.signedIn : account.notSignedIn}</span>{' '}
      {own ? (
        <button type="button" class="plain" onClick={() => void becomeGuest().catch(() => undefined)}>
          {account.signOut}
        </button>
      ) : (
        <button type="button" class="plain" aria-haspopup="dialog" onClick={() => setChoosing(true)}>
          {account.signIn}
        </button>
      )}
      {choosing && <ReaderDialog reader={reader} onClose={() => setChoosing(false)} />}
    </p>
  );
}

const READS_SHOWN = 10;

/** The latest reads, and all of them when asked for. */
function History({ reads }: { reads: HistoryEntry[] }) {
  const { account } = useWords();
  const [all, setAll] = useState(false);
  return (
    <>
      <ol class="history">
        {reads.slice(0, all ? reads.length : READS_SHOWN).map((read) => (
          <Read key={`${read.article_id} ${read.timestamp}`} read={read} />
        ))}
      </ol>
      {!all && reads.length > READS_SHOWN && (
        <button type="button" onClick={() => setAll(true)}>
          {account.all(reads.length)}
        </button>
      )}
    </>
  );
}

function Read({ read }: { read: HistoryEntry }) {
  const { account, paper } = useWords();
  const time = moment(read.timestamp);
  const scroll = read.scroll_pct;
  return (
    <li>
      <p class="kicker">{read.category || paper.noSection}</p>
      <p class="history-title" lang={articleTongue()}>
        <a href={articlePath(read.article_id)}>{read.title || account.noTitle(read.article_id)}</a>
      </p>
      <p class="quiet">
        {time && <time dateTime={time.toISOString()}>{dateAndTime(time)}</time>}
        <span>{account.readFor(duration(read.read_time))}</span>
        {scroll !== null && scroll !== undefined && <span>{account.seen(Math.round(scroll))}</span>}
      </p>
    </li>
  );
}
