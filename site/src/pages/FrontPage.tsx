import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { recommend } from '../api/client';
import type { Slate } from '../api/types';
import { FrontSkeleton } from '../components/Skeleton';
import { Trouble } from '../components/Trouble';
import { deviceType } from '../reader/device';
import { lastSlate, rememberSlate } from '../reader/slates';
import type { Reader } from '../reader/store';
import { settleScroll } from '../router';
import { afterFor } from '../telemetry/after';
import { clock, madeBy } from '../text/words';
import { useAnswer } from '../useAnswer';
import { FrontGrid } from './FrontGrid';

const STORIES = 20;

async function fetchSlate(userId: string): Promise<Slate> {
  const after = await afterFor(userId);
  const asked = { user_id: userId, k: STORIES, device_type: deviceType(), explain: true };
  const slate = await recommend({ ...asked, ...(after ? { after } : {}) });
  rememberSlate(userId, slate);
  return slate;
}

export function FrontPage({ reader }: { reader: Reader }) {
  const before = useRef(lastSlate(reader.userId));
  const { value: slate, trouble, waiting, again } = useAnswer(
    () => {
      before.current = lastSlate(reader.userId);
      return fetchSlate(reader.userId);
    },
    [reader.userId],
    before.current,
  );

  useEffect(() => {
    document.title = 'The Daily Chronicle';
  }, []);
  useLayoutEffect(() => {
    if (slate) settleScroll();
  }, [slate]);

  const previous = before.current === slate ? undefined : before.current;
  return (
    <>
      <h2 class="sr-only">For you</h2>
      {trouble && <Trouble trouble={trouble} again={again} what={slate ? 'A newer front page' : 'The front page'} />}
      {!slate && waiting && (
        <>
          <p class="made">The page is being set…</p>
          <FrontSkeleton />
        </>
      )}
      {slate && (
        <>
          <p class="made" role="status">
            <span class="made-for">For {reader.name}</span>
            <span data-served-by={slate.served_by}>{madeBy(slate.served_by)}</span>
            {slate.fresh === false ? (
              <span>
                Your latest reading is still on its way.{' '}
                <button type="button" class="plain" onClick={again}>
                  Look again
                </button>
              </span>
            ) : (
              <span>{waiting ? 'Setting your page anew…' : `Set at ${clock(new Date())}`}</span>
            )}
          </p>
          {slate.recommendations.length === 0 ? (
            <p class="empty">No stories have come in yet. The presses start as soon as the first is filed.</p>
          ) : (
            <FrontGrid slate={slate} previous={previous} waiting={waiting} />
          )}
        </>
      )}
    </>
  );
}
