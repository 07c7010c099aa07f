/**
 * The token of the reader's latest event: the next slate waits for it, so that the front page follows at once.
 * It may still be on its way when the front page opens.
 */
let pending: { userId: string; token: Promise<string | undefined> } | undefined;

/** How long the front page waits for the event's answer before it does without, in milliseconds. */
const PATIENCE_MS = 1500;

export function follow(userId: string, token: Promise<string | undefined>): void {
  pending = { userId, token: token.catch(() => undefined) };
}

export async function afterFor(userId: string): Promise<string | undefined> {
  if (!pending || pending.userId !== userId) return undefined;
  const patience = new Promise<undefined>((done) => setTimeout(done, PATIENCE_MS));
  return Promise.race([pending.token, patience]);
}
