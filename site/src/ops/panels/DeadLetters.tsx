import { useEffect, useRef, useState } from 'preact/hooks';
import { Panel, Table } from '../Panel';
import type { Head } from '../Panel';
import { deadLetter, deadLetters, putBack } from '../api';
import { ask, attempt } from '../asking';
import { bytes, count, moment } from '../format';
import { useLive } from '../store';
import type { Letter, LetterHead } from '../types';
import { useFetched } from '../useFetched';
import { words } from '../text';

const HEADS: readonly Head[] = [{ text: words.id }, { text: words.time }, { text: words.size, figure: true }, { text: words.reason }, { text: words.does, hidden: true }];

/** Records that could not be read: why, what they say, and back into the log. */
export function DeadLetters() {
  const total = useLive((live) => live.snapshot?.dead_letters ?? undefined);
  // What is put back and is dead again leaves the number as it was.
  const [acted, setActed] = useState(0);
  const found = useFetched(deadLetters, total === undefined ? undefined : `${total} ${acted}`);
  const [opened, setOpened] = useState<Letter>();
  // The topic keeps what was put back: the page remembers what it did itself.
  const [backAlready, setBackAlready] = useState<ReadonlySet<string>>(new Set());
  const letters = found?.letters ?? [];
  const back = async (which: { ids: string[] } | { all: true }): Promise<void> => {
    const answer = await attempt(
      () => putBack(which),
      (answer) => words.putBackDone(answer.put_back, answer.still_dead),
    );
    const sent = 'ids' in which ? which.ids : letters.map((letter) => letter.id);
    if (answer?.still_dead === 0) setBackAlready((before) => new Set([...before, ...sent]));
    setActed((count) => count + 1);
  };
  const backAll = async (): Promise<void> => {
    if (await ask(words.putBackTitle(count(found?.total)), words.putBackWhy, words.putBackAll)) await back({ all: true });
  };
  const look = async (id: string): Promise<void> => setOpened(await attempt(() => deadLetter(id)));
  const aside =
    letters.length > 0 ? (
      <>
        <span class="quiet">{words.shown(count(letters.length), count(found?.total))}</span>
        <button type="button" onClick={() => void backAll()}>
          {words.putBackAll}
        </button>
      </>
    ) : undefined;
  return (
    <Panel id="letters" title={words.deadLetters} aside={aside}>
      {letters.length === 0 ? (
        <p class="quiet">{words.noLetters}</p>
      ) : (
        <>
          <ul class="reasons">
            {(found?.reasons ?? []).slice(0, 5).map(({ reason, count: times }) => (
              <li key={reason}>
                <b>{count(times)}</b> {reason}
              </li>
            ))}
          </ul>
          <Table label={words.deadLetters} heads={HEADS}>
            {letters.map((letter) => (
              <Row key={letter.id} letter={letter} back={letter.put_back === true || backAlready.has(letter.id)} onLook={() => void look(letter.id)} onBack={() => void back({ ids: [letter.id] })} />
            ))}
          </Table>
        </>
      )}
      <Opened letter={opened} onClose={() => setOpened(undefined)} />
    </Panel>
  );
}

function Row({ letter, back, onLook, onBack }: { letter: LetterHead; back: boolean; onLook: () => void; onBack: () => void }) {
  return (
    <tr>
      <th scope="row" class="code">
        {letter.id}
      </th>
      <td class="nowrap">{moment(letter.time)}</td>
      <td class="figure">{bytes(letter.bytes)}</td>
      <td class="reason">{letter.reason}</td>
      <td>
        <button type="button" class="small" aria-label={words.lookAt(letter.id)} onClick={onLook}>
          {words.look}
        </button>{' '}
        {back ? (
          <span class="quiet">{words.isBack}</span>
        ) : (
          <button type="button" class="small" aria-label={words.putBackOne(letter.id)} onClick={onBack}>
            {words.putBack}
          </button>
        )}
      </td>
    </tr>
  );
}

function Opened({ letter, onClose }: { letter: Letter | undefined; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (letter) dialog.current?.showModal();
  }, [letter]);
  return (
    <dialog ref={dialog} class="wide" aria-labelledby="letter-title" onClose={onClose}>
      {letter && (
        <>
          <h2 id="letter-title">{letter.id}</h2>
          <p>{letter.reason}</p>
          <dl class="pairs">
            <dt>{words.from}</dt>
            <dd>{words.letterPlace(letter.topic, letter.partition, letter.offset)}</dd>
            <dt>{words.time}</dt>
            <dd>{moment(letter.time)}</dd>
            <dt>{words.key}</dt>
            <dd>{letter.key ?? words.noKey}</dd>
          </dl>
          <pre tabIndex={0} aria-label={words.value}>
            {letter.value}
          </pre>
          <p class="choice">
            <button type="button" onClick={() => dialog.current?.close()}>
              {words.close}
            </button>
          </p>
        </>
      )}
    </dialog>
  );
}
