/** `next` with every part that equals the same part of `last` replaced by it: what did not change stays the same object. */
export function share<T>(last: unknown, next: T): T {
  if (Object.is(last, next)) return next;
  if (typeof last !== 'object' || typeof next !== 'object' || last === null || next === null) return next;
  if (Array.isArray(last) !== Array.isArray(next)) return next;
  const [before, after] = [last as Record<string, unknown>, next as Record<string, unknown>];
  const keys = Object.keys(after);
  let same = keys.length === Object.keys(before).length;
  for (const key of keys) {
    const part = share(before[key], after[key]);
    after[key] = part;
    if (!(key in before) || !Object.is(part, before[key])) same = false;
  }
  return same ? (last as T) : next;
}
