import type { ReadEvent } from '../api/types';
import type { Totals, ViewMeter } from './meter';

/** What stays the same over the pieces of one view. */
export type ViewFacts = Pick<ReadEvent, 'user_id' | 'article_id' | 'device_type' | 'view_id'> & {
  impression_id?: string;
};

/** The ways out of the page. */
export interface Courier {
  /** Survives the page; its answer is not seen. False when the browser refused it. */
  beacon(event: ReadEvent): boolean;
  /** Gives `after`, the token that the next slate waits for. */
  post(event: ReadEvent): Promise<string | undefined>;
}

/**
 * One view of one article, told in pieces: each carries the totals so far and a higher `seq`, so that a piece
 * that is lost or comes late does no harm. Nothing is sent on opening: a bounce is told once, with its true time.
 */
export class View {
  private seq = 0;
  private last: Totals | undefined;
  private closed = false;

  constructor(
    private readonly facts: ViewFacts,
    private readonly meter: ViewMeter,
    private readonly courier: Courier,
  ) {}

  /** The periodic piece; silent while out of view or when nothing has changed. */
  tick(): void {
    if (this.closed || !this.meter.visible) return;
    const piece = this.changedPiece();
    // The next piece has the same totals and more, so a failed one needs no second try.
    if (piece) this.courier.post(piece).catch(() => undefined);
  }

  show(): void {
    if (!this.closed) this.meter.show();
  }

  /** The page went out of view, perhaps for good. */
  hide(): void {
    if (this.closed) return;
    this.meter.hide();
    const piece = this.changedPiece();
    if (piece && !this.courier.beacon(piece)) this.courier.post(piece).catch(() => undefined);
  }

  /** The reader goes to another page of the paper. */
  async leave(): Promise<string | undefined> {
    if (this.closed) return undefined;
    this.meter.hide();
    this.closed = true;
    return this.courier.post(this.piece(this.meter.totals()));
  }

  private changedPiece(): ReadEvent | undefined {
    const totals = this.meter.totals();
    const { last } = this;
    if (last && last.read_time === totals.read_time && last.scroll_pct === totals.scroll_pct) return undefined;
    return this.piece(totals);
  }

  private piece(totals: Totals): ReadEvent {
    this.last = totals;
    this.seq += 1;
    return { ...this.facts, ...totals, seq: this.seq };
  }
}
