/** Work that waits, each piece in a task of its own: a page of pictures never keeps the reader's input waiting. */
const queue: (() => void)[] = [];

function work(): void {
  queue.shift()?.();
  if (queue.length > 0) setTimeout(work);
}

/** Runs `piece` after those before it; the answer takes it back. */
export function inTurn(piece: () => void): () => void {
  queue.push(piece);
  if (queue.length === 1) setTimeout(work);
  return () => {
    const place = queue.indexOf(piece);
    if (place < 0) return;
    // The first has a task waiting for it, so its place is kept.
    if (place === 0) queue[0] = () => undefined;
    else queue.splice(place, 1);
  };
}
