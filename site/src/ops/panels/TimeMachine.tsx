import { useEffect, useState } from 'preact/hooks';
import { Bar, Panel } from '../Panel';
import { activeReaders, machines, slateOf, startMachine } from '../api';
import { attempt, say } from '../asking';
import { moves } from '../compare';
import type { Move } from '../compare';
import { count, moment } from '../format';
import { useLive } from '../store';
import type { Card, Machine, Slate } from '../types';
import { words } from '../text';

/** How often a replay is asked how far it is, in milliseconds. */
const LOOK_MS = 400;

/** The slider's steps, of whole seconds. */
const STEPS = 500;

interface Reach {
  earliest: number;
  latest: number;
}

interface Pages {
  until: string;
  then: Slate;
  now: Slate;
}

/** Which moments the log holds, and who reads. */
function useReach(open: boolean): { reach: Reach | undefined; readers: string[] } {
  const [reach, setReach] = useState<Reach>();
  const [readers, setReaders] = useState<string[]>([]);
  useEffect(() => {
    if (!open) return;
    void attempt(machines).then((known) => {
      const [earliest, latest] = [Date.parse(known?.earliest ?? ''), Date.parse(known?.latest ?? '')];
      if (latest > earliest) setReach({ earliest, latest });
    });
    void attempt(activeReaders).then((active) => setReaders((active ?? []).map((one) => one.user_id)));
  }, [open]);
  return { reach, readers };
}

const later = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** Starts a replay and waits for its end; tells how far it is on the way. */
async function replay(until: string, tell: (machine: Machine) => void): Promise<Machine> {
  let machine = await startMachine(until);
  tell(machine);
  while (machine.state === 'replaying') {
    await later(LOOK_MS);
    const found = (await machines()).machines.find((one) => one.id === machine.id);
    if (!found) throw new Error(words.failed(words.unknown));
    machine = found;
    tell(machine);
  }
  if (machine.state === 'failed') throw new Error(words.failed(machine.error ?? words.unknown));
  return machine;
}

export function TimeMachine() {
  const open = useLive((live) => live.snapshot !== undefined);
  const { reach, readers } = useReach(open);
  return (
    <Panel id="machine" title={words.timeMachine}>
      <p class="quiet">{words.timeMachineWhy}</p>
      {reach ? <Controls reach={reach} readers={readers} /> : <p class="quiet">{words.noReach}</p>}
    </Panel>
  );
}

function Controls({ reach, readers }: { reach: Reach; readers: string[] }) {
  const span = reach.latest - reach.earliest;
  const step = Math.max(1_000, Math.ceil(span / STEPS / 1_000) * 1_000);
  const [back, setBack] = useState(Math.floor(span / 2 / step));
  const [reader, setReader] = useState<string>();
  const [replaying, setReplaying] = useState<Machine>();
  const [pages, setPages] = useState<Pages>();
  const until = new Date(reach.latest - back * step).toISOString();
  const steps = Math.floor(span / step);
  const who = reader ?? readers[0] ?? '';
  const show = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const found = await attempt(async () => {
      const machine = await replay(until, setReplaying);
      const [then, now] = await Promise.all([slateOf(who, machine.id), slateOf(who, 'live')]);
      return { until, then, now };
    });
    setReplaying(undefined);
    if (found) {
      setPages(found);
      say(words.ready(moment(found.until)));
    }
  };
  return (
    <>
      <form class="moment" onSubmit={(event) => void show(event)}>
        <label for="moment">
          {words.until} <b>{moment(until)}</b>
        </label>
        <input
          id="moment"
          type="range"
          min={0}
          max={steps}
          value={steps - back}
          aria-valuetext={moment(until)}
          onInput={(event) => setBack(steps - Number(event.currentTarget.value))}
        />
        <label for="reader">{words.reader}</label>
        <input id="reader" type="text" list="readers" required autocomplete="off" value={who} onInput={(event) => setReader(event.currentTarget.value)} />
        <datalist id="readers">
          {readers.map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
        <button type="submit" class="strong" disabled={replaying !== undefined}>
          {words.show}
        </button>
      </form>
      {replaying && <Progress machine={replaying} />}
      {pages && <SideBySide pages={pages} />}
    </>
  );
}

function Progress({ machine: { done, total } }: { machine: Machine }) {
  const known = done !== null && total !== null && total > 0;
  return (
    <p class="replaying" role="progressbar" aria-label={words.timeMachine} aria-valuemin={0} aria-valuemax={total ?? 1} aria-valuenow={known ? done : undefined}>
      {known && <Bar share={done / total} />} {known ? words.replaying(count(done), count(total)) : words.replayingUnknown}
    </p>
  );
}

function SideBySide({ pages: { until, then, now } }: { pages: Pages }) {
  const [before, after] = [then.recommendations, now.recommendations];
  return (
    <div class="pages">
      <Page title={words.then(moment(until))} slate={then} moved={moves(before, after, false)} />
      <Page title={words.nowHead} slate={now} moved={moves(after, before, true)} />
    </div>
  );
}

const inWords = (move: Move): string => {
  if (!move) return '';
  return move.kind === 'moved' ? words.moved(move.by) : move.kind === 'new' ? words.notThen : words.goneNow;
};

function Page({ title, slate, moved }: { title: string; slate: Slate; moved: Move[] }) {
  return (
    <section aria-label={title}>
      <h3>
        {title} <span class="quiet">{words.slateBy(slate.served_by)}</span>
      </h3>
      {slate.recommendations.length === 0 && <p class="quiet">{words.emptySlate}</p>}
      <ol>
        {slate.recommendations.map((card: Card, place) => (
          <li key={card.article_id} data-move={moved[place]?.kind}>
            <a href={`/article/${card.article_id}`}>{card.title ?? card.article_id}</a> <span class="quiet">{card.category}</span>
            {moved[place] && <span class="move">{inWords(moved[place])}</span>}
          </li>
        ))}
      </ol>
    </section>
  );
}
