/** From which share of a second on a sender waits at times, and mostly. */
const AT_TIMES = 0.05;
const MOSTLY = 0.5;

/** How hard an edge presses back: 0 not, 1 at times, 2 mostly. */
export function pressureOf(waited: number | null | undefined): 0 | 1 | 2 {
  if (waited === null || waited === undefined || waited < AT_TIMES) return 0;
  return waited < MOSTLY ? 1 : 2;
}
