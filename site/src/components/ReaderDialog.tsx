import { useEffect, useRef, useState } from 'preact/hooks';
import { activeReaders } from '../api/client';
import { becomeGuest, readerNamed, switchReader } from '../reader/store';
import type { Reader } from '../reader/store';
import { useAnswer } from '../useAnswer';
import { Trouble } from './Trouble';

/** The reader that "Use Demo Account" stands for when the paper has no active readers yet. */
const DEMO: Reader = { userId: 'demo', name: 'demo' };

export function ReaderDialog({ reader, onClose }: { reader: Reader; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [typed, setTyped] = useState('');
  const active = useAnswer(() => activeReaders(20), []);

  useEffect(() => dialog.current?.showModal(), []);

  const choose = (chosen: Reader): void => {
    switchReader(chosen);
    dialog.current?.close();
  };
  const named = readerNamed(typed);
  const demo = (active.value ?? []).reduce<{ userId: string; name: string; reads: number } | undefined>(
    (best, { user_id: id, reads }) => (best && best.reads >= reads ? best : { userId: id, name: id, reads }),
    undefined,
  );

  return (
    <dialog class="reader-dialog" ref={dialog} onClose={onClose} aria-labelledby="reader-title">
      <div class="dialog-head">
        <h2 id="reader-title">Who is reading?</h2>
        <button type="button" class="plain" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </div>
      <p class="quiet">Each reader has a front page of their own. Now reading as {reader.name}.</p>
      <form
        class="reader-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (named) choose(named);
        }}
      >
        <label for="reader-name">Your own name</label>
        <div class="field-row">
          <input
            id="reader-name"
            name="reader"
            autocomplete="nickname"
            maxLength={64}
            value={typed}
            onInput={(event) => setTyped(event.currentTarget.value)}
          />
          <button type="submit" disabled={!named}>
            Read
          </button>
        </div>
      </form>
      <div class="field-row">
        <button
          type="button"
          class="strong"
          onClick={() => choose(demo ? { userId: demo.userId, name: demo.name } : DEMO)}
        >
          Use Demo Account
        </button>
        <button
          type="button"
          onClick={() => {
            becomeGuest();
            dialog.current?.close();
          }}
        >
          New guest
        </button>
      </div>
      <h3 id="active-title">Readers of the last hours</h3>
      {active.trouble && <Trouble trouble={active.trouble} again={active.again} what="The list of readers" />}
      <ul class="reader-list" aria-labelledby="active-title" aria-busy={active.waiting}>
        {active.value?.length === 0 && <li class="quiet">Nobody has read yet.</li>}
        {active.value?.map(({ user_id: id, reads }) => (
          <li key={id}>
            <button
              type="button"
              aria-pressed={id === reader.userId}
              onClick={() => choose({ userId: id, name: id })}
            >
              <span class="reader-id">{id}</span>
              <span class="quiet">{reads === 1 ? '1 read' : `${reads} reads`}</span>
            </button>
          </li>
        ))}
      </ul>
    </dialog>
  );
}
