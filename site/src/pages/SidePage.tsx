import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { ApiError, demoReaders } from '../api/client';
import type { Card, DemoReader } from '../api/types';
import { TextSkeleton } from '../components/Skeleton';
import { Trouble, saidOf } from '../components/Trouble';
import { currentReader, nameOf } from '../reader/store';
import { settleScroll } from '../router';
import { useWords } from '../text/language';
import { useAnswer } from '../useAnswer';
import { useTitle } from '../useTitle';
import { SideSheet } from './SideSheet';
import { askSheet, pause, readOn, storiesUnlike } from './sideReading';
import type { Sheet } from './sideReading';

const READERS = 8;
const READS = 5;
/** Between two scripted reads, so that an eye can follow. */
const BEAT_MS = 900;

const SIDES = ['left', 'right'] as const;
type Side = (typeof SIDES)[number];
type Sheets = Partial<Record<Side, Sheet>>;

/** Two readers' front pages beside each other, while one of them reads. */
export function SidePage() {
  const { side: words } = useWords();
  const { value, trouble, again } = useAnswer(() => demoReaders(READERS), []);
  useTitle(words.title);
  useLayoutEffect(settleScroll, []);
  return (
    <div class="side-page">
      <header class="page-head">
        <h1>{words.title}</h1>
        <p class="standfirst">{words.standfirst}</p>
      </header>
      {trouble && <Trouble trouble={trouble} again={again} what={words.what} />}
      {!value && !trouble && <TextSkeleton lines={10} />}
      {value && <Sheets demos={value} />}
    </div>
  );
}

function Sheets({ demos }: { demos: DemoReader[] }) {
  const words = useWords();
  const own = currentReader();
  const choices = [
    ...demos.map(({ user_id: userId, sections }) => ({
      userId,
      name: nameOf({ userId, name: userId }, words),
      taste: sections[0]?.category,
    })),
    { userId: own.userId, name: nameOf(own, words), taste: undefined },
  ].filter((choice, at, all) => all.findIndex(({ userId }) => userId === choice.userId) === at);
  const nameOfId = (userId: string): string => choices.find((choice) => choice.userId === userId)?.name ?? userId;

  const [chosen, setChosen] = useState({ left: choices[0]?.userId ?? own.userId, right: choices[1]?.userId ?? own.userId });
  const [sheets, setSheets] = useState<Sheets>({});
  const [news, setNews] = useState<string[]>([]);
  const [playing, setPlaying] = useState(false);
  const stopped = useRef(true);
  useEffect(() => () => void (stopped.current = true), []);

  const set = (side: Side, sheet: Sheet): void => setSheets((now) => ({ ...now, [side]: sheet }));
  const tell = (line: string): void => setNews((lines) => [line, ...lines].slice(0, READS + 1));
  const complain = (error: unknown): void =>
    tell(saidOf(error instanceof ApiError ? error : new ApiError(-1, words.trouble.here), words.side.what, words.trouble));
  for (const side of SIDES) {
    useEffect(() => {
      let wanted = true;
      askSheet(chosen[side]).then(
        (sheet) => wanted && set(side, sheet),
        (error: unknown) => wanted && complain(error),
      );
      return () => {
        wanted = false;
      };
    }, [chosen[side]]);
  }

  /** One reader reads one story, and the reader's page is set anew; the other's is not touched. */
  const read = async (side: Side, card: Card): Promise<void> => {
    const sheet = sheets[side];
    const userId = chosen[side];
    tell(words.side.reading(nameOfId(userId), card.title));
    try {
      const { sheet: next, milliseconds } = await readOn(userId, card, latest.current[side] ?? sheet);
      set(side, next);
      latest.current[side] = next;
      tell(words.side.followed(nameOfId(userId), milliseconds, next.moved.size));
    } catch (error) {
      complain(error);
    }
  };
  // A script of reads goes on from the sheet that the read before it left.
  const latest = useRef<Sheets>({});
  latest.current = sheets;

  const play = async (): Promise<void> => {
    stopped.current = false;
    setPlaying(true);
    const stories = await storiesUnlike(sheets.left, READS).catch(() => []);
    for (const card of stories) {
      if (stopped.current) break;
      await read('left', card);
      await pause(BEAT_MS);
    }
    stopped.current = true;
    setPlaying(false);
  };

  return (
    <>
      <div class="side-controls">
        <button
          type="button"
          class="strong"
          disabled={!sheets.left}
          onClick={() => {
            if (playing) stopped.current = true;
            else void play();
          }}
        >
          {playing ? words.side.stop : words.side.play}
        </button>
        <div class="side-news" role="log" aria-label={words.side.log}>
          {news.length === 0 ? <p>{words.side.ready}</p> : news.slice(0, 2).map((line, place) => <p key={place}>{line}</p>)}
        </div>
      </div>
      <div class="side-sheets">
        {SIDES.map((side) => (
          <SideSheet
            key={side}
            label={words.side[side]}
            choices={choices}
            chosen={chosen[side]}
            choose={(userId) => {
              if (userId === chosen[side]) return;
              setSheets((now) => ({ ...now, [side]: undefined }));
              setChosen((now) => ({ ...now, [side]: userId }));
            }}
            sheet={sheets[side]}
            busy={playing}
            read={(card) => void read(side, card)}
          />
        ))}
      </div>
    </>
  );
}
