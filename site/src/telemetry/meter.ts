/** Milliseconds on a clock that never goes back. */
export type Clock = () => number;

export interface Totals {
  /** Seconds in view and active so far, to a tenth. */
  read_time: number;
  /** Greatest share of the article seen so far, 0 to 100, to a tenth. */
  scroll_pct: number;
}

/**
 * How long a reader who does nothing still counts as reading, in milliseconds: a tall screen of text takes about a minute
 * (230 words a minute), and who has not stirred by then has left the desk.
 */
export const STILL_MS = 60_000;

/** Measures one view of one article: time counts only while the page is visible and the reader active. */
export class ViewMeter {
  private countedMs = 0;
  /** Since when the page is visible, or the reader last stirred. */
  private activeSince: number | undefined;
  private greatestShare = 0;

  constructor(private readonly now: Clock) {}

  /** The page is in view. Saying it twice changes nothing. */
  show(): void {
    this.activeSince ??= this.now();
  }

  /** The page is out of view. */
  hide(): void {
    this.countedMs += this.runningMs();
    this.activeSince = undefined;
  }

  /** The reader scrolled, moved the pointer, touched or typed. */
  stir(): void {
    if (this.activeSince === undefined) return;
    this.countedMs += this.runningMs();
    this.activeSince = this.now();
  }

  get visible(): boolean {
    return this.activeSince !== undefined;
  }

  /** The article has been seen down to this share, 0 to 1; only the greatest counts, and only in view. */
  sawShare(share: number): void {
    if (!this.visible || !Number.isFinite(share)) return;
    this.greatestShare = Math.max(this.greatestShare, Math.min(1, Math.max(0, share)));
  }

  totals(): Totals {
    return {
      read_time: Math.round((this.countedMs + this.runningMs()) / 100) / 10,
      scroll_pct: Math.round(this.greatestShare * 1000) / 10,
    };
  }

  private runningMs(): number {
    if (this.activeSince === undefined) return 0;
    return Math.max(0, Math.min(this.now() - this.activeSince, STILL_MS));
  }
}

/** The share of a box that lies above the lower edge of the window, 0 to 1. */
export function shareSeen(box: { top: number; height: number }, windowHeight: number): number {
  if (box.height <= 0) return 0;
  return Math.min(1, Math.max(0, (windowHeight - box.top) / box.height));
}
