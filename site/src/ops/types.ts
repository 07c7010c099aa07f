/** What the admin interface says, as far as the page reads it. Numbers that are not known are null. */

type Known = number | null;

export interface FlowNode {
  name: string;
  kind: 'source' | 'operator' | 'sink';
  takes: string | null;
  emits: string | null;
}

/** A dataflow as the running program describes it; edges join places in `nodes`. */
export interface Graph {
  name: string;
  nodes: FlowNode[];
  edges: [number, number][];
}

export interface EdgeNow {
  from: number;
  to: number;
  rows_per_s: Known;
  messages_per_s: Known;
  rows: Known;
  queued: Known;
  capacity: Known;
  /** The share of the last second in which the sender waited for room. */
  waited: Known;
}

export interface NodeNow {
  held_rows: Known;
  open_windows: Known;
}

export interface FlowNow {
  name: string;
  edges: EdgeNow[];
  nodes: NodeNow[];
}

export interface PartitionNow {
  partition: number;
  marker: Known;
  log_begin: Known;
  log_end: Known;
  lag: Known;
  watermark: string | null;
  stopped: { dataflow: string; reason: string }[];
}

export interface RouteNow {
  route: string;
  requests_per_s: Known;
  p50_ms: Known;
  p95_ms: Known;
  p99_ms: Known;
}

export interface NamespaceNow {
  name: string;
  live: boolean;
  /** `beside`: kept up to date beside the live one, or able to be; `building`: its replay has not come to its end. */
  kind: 'live' | 'building' | 'beside' | 'past' | 'temporary';
  done: Known;
  total: Known;
  until: string | null;
}

export interface ModelNow {
  name: string;
  version: string | null;
  serves: boolean;
  current: boolean;
}

export interface Machine {
  id: string;
  until: string;
  state: 'replaying' | 'ready' | 'failed';
  done: Known;
  total: Known;
  error: string | null;
}

export type Series = Record<string, Known>;

export interface Snapshot {
  at_ms: number;
  seq: number;
  series: Series;
  namespace: string;
  watermark: string | null;
  paused: boolean;
  /** Whether this process has a worker at all. */
  works: boolean;
  flows: FlowNow[];
  partitions: PartitionNow[];
  gru: { steps_per_s: Known; batch_fill: Known; tile: Known } | null;
  http: { requests_per_s: Known; errors_per_s: Known; routes: RouteNow[] } | null;
  served_by: { served_by: string; per_s: Known; total: number }[];
  arms: { name: string; share: number; namespace: string | null; per_s: Known; total: number }[];
  dead_letters: Known;
  namespaces: NamespaceNow[];
  model: { version: string; precision: string; device: string; digest: string } | null;
  models: ModelNow[];
  /** Null until they were looked at once. */
  edges: Record<string, { status: string; detail: string }> | null;
  fallbacks: { failed: string; serves: string }[];
  reason: string | null;
  log: { warnings: number; errors: number };
  time_machines: Machine[];
  pages: number;
}

/** The first event of the stream. */
export interface Past {
  every_ms: number;
  graphs: Graph[];
  at_ms: number[];
  series: Record<string, Known[]>;
}

export interface LogLine {
  time: string;
  level: string;
  target: string;
  text: string;
}

export interface LetterHead {
  id: string;
  time: string;
  bytes: number;
  reason: string;
  /** Whether it was put back already, where that is known. */
  put_back?: boolean;
}

export interface Letters {
  total: number;
  letters: LetterHead[];
  reasons: { reason: string; count: number }[];
}

export interface Letter {
  id: string;
  topic: string;
  partition: number;
  offset: number;
  time: string;
  key: string | null;
  value: string;
  reason: string;
}

export interface Machines {
  machines: Machine[];
  earliest: string | null;
  latest: string | null;
}

export interface Card {
  article_id: number;
  title?: string;
  category?: string;
}

export interface Slate {
  recommendations: Card[];
  served_by: string;
}
