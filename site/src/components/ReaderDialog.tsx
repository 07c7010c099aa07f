import { useEffect, useRef, useState } from 'preact/hooks';
import { demoReaders } from '../api/client';
import { portraitOf } from '../reader/portrait';
import { becomeGuest, nameOf, readerNamed, switchReader } from '../reader/store';
import type { Reader } from '../reader/store';
import { useWords } from '../text/language';
import { useAnswer } from '../useAnswer';
import { Illustration } from '../art/Illustration';
import { hash } from '../art/rng';
import { TextSkeleton } from './Skeleton';
import { Trouble } from './Trouble';

const DEMO_ACCOUNTS = 6;

/** Who reads: a name of one's own, one of the generated readers, or a guest. */
export function ReaderDialog({ reader, onClose }: { reader: Reader; onClose: () => void }) {
  const words = useWords();
  const dialog = useRef<HTMLDialogElement>(null);
  const [typed, setTyped] = useState('');
  const [demos, setDemos] = useState(false);
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState(false);

  useEffect(() => dialog.current?.showModal(), []);

  const take = async (change: Promise<void>): Promise<void> => {
    setBusy(true);
    setRefused(false);
    try {
      await change;
      dialog.current?.close();
    } catch {
      setRefused(true);
      setBusy(false);
    }
  };
  const choose = (userId: string): Promise<void> => take(switchReader({ userId, name: userId }));
  const named = readerNamed(typed);

  return (
    <dialog class="reader-dialog" ref={dialog} onClose={onClose} aria-labelledby="reader-title">
      <div class="dialog-head">
        <h2 id="reader-title">{words.reader.title}</h2>
        <button type="button" class="plain" onClick={() => dialog.current?.close()}>
          {words.reader.close}
        </button>
      </div>
      <p class="quiet">{words.reader.note(nameOf(reader, words))}</p>
      <p class="dialog-news" role="status">
        {refused && words.reader.failed}
      </p>
      <form
        class="reader-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (named && !busy) void take(switchReader(named));
        }}
      >
        <label for="reader-name">{words.reader.ownName}</label>
        <div class="field-row">
          <input
            id="reader-name"
            name="reader"
            autocomplete="nickname"
            maxLength={64}
            value={typed}
            onInput={(event) => setTyped(event.currentTarget.value)}
          />
          <button type="submit" disabled={!named || busy}>
            {words.reader.read}
          </button>
        </div>
      </form>
      <div class="field-row">
        <button type="button" class="strong" aria-expanded={demos} aria-controls="demo-accounts" onClick={() => setDemos(!demos)}>
          {words.reader.demo}
        </button>
        <button type="button" disabled={busy} onClick={() => void take(becomeGuest())}>
          {words.reader.guest}
        </button>
      </div>
      <div id="demo-accounts">{demos && <DemoAccounts now={reader.userId} busy={busy} choose={(userId) => void choose(userId)} />}</div>
    </dialog>
  );
}

interface Choice {
  now: string;
  busy: boolean;
  choose: (userId: string) => void;
}

/** The generated readers, each with a short portrait. */
function DemoAccounts({ now, busy, choose }: Choice) {
  const words = useWords();
  const list = useRef<HTMLUListElement>(null);
  const { value, trouble, again } = useAnswer(() => demoReaders(DEMO_ACCOUNTS), []);
  useEffect(() => list.current?.querySelector('button')?.focus(), [value]);
  return (
    <>
      <h3 id="demo-title">{words.reader.demoTitle}</h3>
      {trouble && <Trouble trouble={trouble} again={again} what={words.reader.listWhat} />}
      {!value && !trouble && <TextSkeleton lines={4} />}
      {value?.length === 0 && <p class="quiet">{words.reader.nobody}</p>}
      {value && (
        <ul class="demo-list" ref={list} aria-labelledby="demo-title">
          {value.map((demo) => (
            <li key={demo.user_id}>
              <button type="button" disabled={busy} aria-pressed={demo.user_id === now} onClick={() => choose(demo.user_id)}>
                <Illustration id={hash(demo.user_id)} category={demo.sections[0]?.category ?? ''} />
                <span>
                  <strong>{nameOf({ userId: demo.user_id, name: demo.user_id }, words)}</strong>
                  <span class="quiet">{portraitOf(demo, words)}</span>
                </span>
              </button>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
