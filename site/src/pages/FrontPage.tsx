import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { Trouble } from '../components/Trouble';
import { FrontSkeleton } from '../components/Skeleton';
import { askFront } from '../reader/front';
import { keptEdition, lastEdition } from '../reader/slates';
import type { Edition } from '../reader/slates';
import { nameOf } from '../reader/store';
import type { Reader } from '../reader/store';
import { settleScroll } from '../router';
import { onOtherTab } from '../storage';
import { AFTER_KEY } from '../telemetry/after';
import { useTitle } from '../useTitle';
import { useWords } from '../text/language';
import { clock, madeBy, moment } from '../text/words';
import { useAnswer } from '../useAnswer';
import { FrontAside } from './FrontAside';
import { FrontGrid } from './FrontGrid';

export function FrontPage({ reader }: { reader: Reader }) {
  const words = useWords();
  const { front } = words;
  const before = useRef(lastEdition(reader.userId));
  const { value, trouble, waiting, again } = useAnswer(
    () => {
      before.current = lastEdition(reader.userId);
      return askFront(reader.userId);
    },
    [reader.userId],
    before.current,
  );
  // A page of an earlier visit is shown only where there is no newer one to be had.
  const edition = value ?? (trouble ? keptEdition(reader.userId) : undefined);
  const slate = edition?.slate;

  useTitle('');
  useLayoutEffect(() => {
    if (slate) settleScroll();
  }, [slate]);
  useFollowTabs(again);

  const previous = before.current === edition ? undefined : before.current?.slate;
  return (
    <>
      <h2 class="sr-only">{front.forYou}</h2>
      {!slate && trouble && <Trouble trouble={trouble} again={again} what={front.what} />}
      {!slate && !trouble && (
        <>
          <p class="made">{front.beingSet}</p>
          <FrontSkeleton />
        </>
      )}
      {edition && slate && (
        <>
          <p class="made" role="status">
            <span class="made-for">{front.isFor(nameOf(reader, words))}</span>
            {trouble ? (
              <span>
                {trouble.passing ? words.trouble.stale(setAt(edition)) : words.trouble.refused(front.newerWhat, trouble.message)}{' '}
                <button type="button" class="plain" onClick={again}>
                  {words.trouble.again}
                </button>
              </span>
            ) : (
              <>
                <span data-served-by={slate.served_by}>{madeBy(slate.served_by)}</span>
                {slate.fresh === false ? (
                  <span>
                    {front.onItsWay}{' '}
                    <button type="button" class="plain" onClick={again}>
                      {front.lookAgain}
                    </button>
                  </span>
                ) : (
                  <span>{waiting ? front.settingAnew : front.setAt(setAt(edition))}</span>
                )}
              </>
            )}
          </p>
          {slate.recommendations.length === 0 ? (
            <p class="empty">{front.noStories}</p>
          ) : (
            <FrontGrid slate={slate} previous={previous} waiting={waiting && !trouble}>
              <FrontAside reader={reader} />
            </FrontGrid>
          )}
        </>
      )}
    </>
  );
}

const setAt = (edition: Edition): string => clock(moment(edition.setAt) ?? new Date());

/** Sets the page anew when something was read in another tab: at once where it is seen, or on coming back to it. */
function useFollowTabs(again: () => void): void {
  useEffect(() => {
    let behind = false;
    const follow = (): void => {
      if (!behind || document.visibilityState !== 'visible') return;
      behind = false;
      again();
    };
    const ended = onOtherTab(AFTER_KEY, () => {
      behind = true;
      follow();
    });
    document.addEventListener('visibilitychange', follow);
    return () => {
      ended();
      document.removeEventListener('visibilitychange', follow);
    };
  }, [again]);
}
