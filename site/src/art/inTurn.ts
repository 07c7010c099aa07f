/** Work that waits, done a little in each task: a page of pictures never keeps the reader's input waiting. */

interface Waiting {
  /** Goes one step on, and tells whether it is done. */
  step: () => boolean;
}

const queue: Waiting[] = [];
/** How long a task may take, in milliseconds, if its steps are short. */
const SLICE_MS = 8;

function work(): void {
  const end = performance.now() + SLICE_MS;
  do {
    if (queue[0]?.step()) queue.shift();
  } while (queue.length > 0 && performance.now() < end);
  if (queue.length > 0) setTimeout(work);
}

/** Goes through `steps` after those before it, then tells `done` what came of them; the answer takes it back. */
export function inTurn<T>(steps: Generator<undefined, T>, done: (made: T) => void): () => void {
  let wanted = true;
  const step = (): boolean => {
    if (!wanted) return true;
    const made = steps.next();
    if (made.done) done(made.value);
    return made.done === true;
  };
  queue.push({ step });
  if (queue.length === 1) setTimeout(work);
  return () => {
    wanted = false;
  };
}
