/** Milliseconds on a clock that never goes back. */
export type Clock = () => number;

export interface Totals {
  /** Seconds in view so far, to a tenth. */
  read_time: number;
  /** Greatest share of the article seen so far, 0 to 100, to a tenth. */
  scroll_pct: number;
}

/** Measures one view of one article: time counts only while the page is visible. */
export class ViewMeter {
  private countedMs = 0;
  private visibleSince: number | undefined;
  private greatestShare = 0;

  constructor(private readonly now: Clock) {}

  /** The page is in view. Saying it twice changes nothing. */
  show(): void {
    this.visibleSince ??= this.now();
  }

  /** The page is out of view. */
  hide(): void {
    if (this.visibleSince === undefined) return;
    this.countedMs += Math.max(0, this.now() - this.visibleSince);
    this.visibleSince = undefined;
  }

  get visible(): boolean {
    return this.visibleSince !== undefined;
  }

  /** The article has been seen down to this share, 0 to 1; only the greatest counts, and only in view. */
  sawShare(share: number): void {
    if (!this.visible || !Number.isFinite(share)) return;
    this.greatestShare = Math.max(this.greatestShare, Math.min(1, Math.max(0, share)));
  }

  totals(): Totals {
    const running = this.visibleSince === undefined ? 0 : Math.max(0, this.now() - this.visibleSince);
    return {
      read_time: Math.round((this.countedMs + running) / 100) / 10,
      scroll_pct: Math.round(this.greatestShare * 1000) / 10,
    };
  }
}

/** The share of a box that lies above the lower edge of the window, 0 to 1. */
export function shareSeen(box: { top: number; height: number }, windowHeight: number): number {
  if (box.height <= 0) return 0;
  return Math.min(1, Math.max(0, (windowHeight - box.top) / box.height));
}
