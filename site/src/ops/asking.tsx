/** What is asked before it is done, and what is said after. */
import { signalBox } from './box';
import { useEffect, useRef } from 'preact/hooks';
import { Refused } from './api';
import { lock } from './store';
import { words } from './text';

interface Question {
  title: string;
  why: string;
  yes: string;
  answer: (yes: boolean) => void;
}

interface Said {
  text: string;
  bad: boolean;
}

const question = signalBox<Question | undefined>(undefined);
const said = signalBox<Said | undefined>(undefined);

/** Asks, and waits for the answer. */
export function ask(title: string, why: string, yes: string): Promise<boolean> {
  return new Promise((answer) => question.set({ title, why, yes, answer }));
}

export const say = (text: string, bad = false): void => said.set({ text, bad });

/** Does something that may be refused, and says how it went. */
export async function attempt<T>(what: () => Promise<T>, done?: (result: T) => string): Promise<T | undefined> {
  try {
    const result = await what();
    if (done) say(done(result));
    return result;
  } catch (error) {
    if (error instanceof Refused && error.status === 401) lock(false);
    else say(error instanceof Error ? error.message : String(error), true);
    return undefined;
  }
}

export function Asking() {
  const asked = question.use();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (asked) dialog.current?.showModal();
  }, [asked]);
  const close = (yes: boolean): void => {
    dialog.current?.close();
    asked?.answer(yes);
    question.set(undefined);
  };
  return (
    <dialog ref={dialog} aria-labelledby="asked" aria-describedby="asked-why" onCancel={() => close(false)}>
      <h2 id="asked">{asked?.title}</h2>
      <p id="asked-why">{asked?.why}</p>
      <p class="choice">
        <button type="button" onClick={() => close(false)}>
          {words.cancel}
        </button>
        <button type="button" class="strong" onClick={() => close(true)}>
          {asked?.yes}
        </button>
      </p>
    </dialog>
  );
}

/** The one place of the page that speaks by itself. */
export function Notice() {
  const now = said.use();
  return (
    <div class="notice" role="status" data-bad={now?.bad ? '' : undefined}>
      {now && (
        <>
          <span>{now.text}</span>
          <button type="button" class="plain" onClick={() => said.set(undefined)}>
            {words.dismiss}
          </button>
        </>
      )}
    </div>
  );
}
