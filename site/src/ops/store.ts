import { useEffect, useReducer, useRef } from 'preact/hooks';
import { History } from './history';
import { share } from './share';
import { follow } from './stream';
import type { Graph, Past, Snapshot } from './types';

export type Phase =
  | { name: 'connecting' }
  | { name: 'live' }
  | { name: 'lost'; why: string; againAt: number }
  | { name: 'locked'; refused: boolean };

export interface Live {
  phase: Phase;
  graphs: Graph[];
  snapshot: Snapshot | undefined;
  /** When the last snapshot came, by this page's own clock. */
  heardAt: number;
  everyMs: number;
  /** Grows with each new point of the history. */
  points: number;
}

/** How often the program can be asked to tell, in milliseconds. */
export const RATES = [100, 500, 1000, 5000] as const;

const state: Live = { phase: { name: 'connecting' }, graphs: [], snapshot: undefined, heardAt: 0, everyMs: rateAsked(), points: 0 };
export const history = new History();

const watchers = new Set<() => void>();
let frame = 0;
let stop: (() => void) | undefined;

/** `/ops?every_ms=100` begins with ten updates a second. */
function rateAsked(): number {
  const asked = Number(new URLSearchParams(globalThis.location?.search ?? '').get('every_ms'));
  return RATES.find((rate) => rate === asked) ?? 1000;
}

/** Tells the watchers, at most once a frame; a page that nobody sees has no frames. */
function changed(part: Partial<Live>): void {
  Object.assign(state, part);
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    for (const watcher of watchers) watcher();
  });
}

function heard(name: string, data: string): void {
  if (name === 'history') {
    const past = JSON.parse(data) as Past;
    history.load(past);
    changed({ graphs: share(state.graphs, past.graphs), phase: { name: 'live' }, points: state.points + 1 });
  } else if (name === 'snapshot') {
    const snapshot = share(state.snapshot, JSON.parse(data) as Snapshot);
    const fresh = history.add(snapshot.at_ms, snapshot.series);
    const phase: Phase = state.phase.name === 'live' ? state.phase : { name: 'live' };
    changed({ snapshot, phase, heardAt: performance.now(), points: state.points + (fresh ? 1 : 0) });
  }
}

/** Begins to follow the program, or begins anew: with another key, or another rate. */
export function connect(everyMs = state.everyMs): void {
  stop?.();
  changed({ everyMs, phase: { name: 'connecting' } });
  stop = follow(everyMs, {
    event: heard,
    lost: (why, againInMs) => changed({ phase: { name: 'lost', why, againAt: performance.now() + againInMs } }),
    locked: (refused) => lock(refused),
  });
}

/** Shows nothing any more until a key is given. */
export function lock(refused: boolean): void {
  stop?.();
  history.load({ every_ms: state.everyMs, graphs: [], at_ms: [], series: {} });
  changed({ phase: { name: 'locked', refused }, snapshot: undefined, graphs: [] });
}

export const now = (): Readonly<Live> => state;

/** Calls `watcher` in the frame after something changed. */
export function watch(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

/** A part of what is so now. The component is drawn again when that part is another. */
export function useLive<T>(select: (live: Readonly<Live>) => T): T {
  const [, draw] = useReducer((count: number, _: undefined) => count + 1, 0);
  const shown = select(state);
  const last = useRef({ select, shown });
  last.current = { select, shown };
  useEffect(() => {
    const look = (): void => {
      if (!Object.is(last.current.select(state), last.current.shown)) draw(undefined);
    };
    look();
    return watch(look);
  }, []);
  return shown;
}
