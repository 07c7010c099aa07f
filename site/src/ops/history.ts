import type { Past, Series } from './types';

/** A quarter of an hour at a point a second. */
const LIMIT = 900;

/** A program that names ever new series cannot fill the page's memory. */
const SERIES_LIMIT = 200;

type Column = (number | null)[];

/** What the curves show: a bounded number of points, one a step, in columns of one length. */
export class History {
  private at: number[] = [];
  private readonly columns = new Map<string, Column>();
  private stepMs = 1000;

  constructor(private readonly limit = LIMIT) {}

  /** Begins anew from what the program remembers. */
  load(past: Past): void {
    this.stepMs = Math.max(1000, past.every_ms);
    this.at = past.at_ms.slice(-this.limit);
    this.columns.clear();
    for (const [name, values] of Object.entries(past.series).slice(0, SERIES_LIMIT)) {
      const kept = values.slice(-this.at.length);
      this.columns.set(name, [...emptyColumn(this.at.length - kept.length), ...kept]);
    }
  }

  /** Adds what is so now; true where this is a new point. Several in one step are one point: the last one. */
  add(atMs: number, series: Series): boolean {
    const last = this.at.at(-1);
    if (last !== undefined && atMs < last) return false;
    const fresh = last === undefined || Math.floor(atMs / this.stepMs) > Math.floor(last / this.stepMs);
    if (fresh) {
      this.at.push(atMs);
      for (const column of this.columns.values()) column.push(null);
    }
    for (const [name, value] of Object.entries(series)) {
      const column = this.columns.get(name) ?? this.column(name);
      if (column) column[this.at.length - 1] = value;
    }
    if (this.at.length > this.limit) {
      this.at.shift();
      for (const column of this.columns.values()) column.shift();
    }
    return fresh;
  }

  /** Seconds since 1970, then a list for each name, as uPlot takes them; a name that was never met is all null. */
  read(names: readonly string[]): [number[], ...Column[]] {
    return [this.at.map((ms) => ms / 1000), ...names.map((name) => this.columns.get(name) ?? emptyColumn(this.at.length))];
  }

  /** The names that begin so, in order. */
  named(prefix: string): string[] {
    return [...this.columns.keys()].filter((name) => name.startsWith(prefix)).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  }

  private column(name: string): Column | undefined {
    if (this.columns.size >= SERIES_LIMIT) return undefined;
    const column = emptyColumn(this.at.length);
    this.columns.set(name, column);
    return column;
  }
}

const emptyColumn = (length: number): Column => new Array<number | null>(length).fill(null);
