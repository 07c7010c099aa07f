import { Curve } from '../Curve';
import type { Line } from '../Curve';
import { milliseconds, rate, share } from '../format';
import { useLive } from '../store';
import { words } from '../text';

const THROUGHPUT: Line[] = [
  { series: 'events_per_s', name: words.eventsIn },
  { series: 'gru_steps_per_s', name: words.gruSteps },
];
const REQUESTS: Line[] = [{ series: 'requests_per_s', name: words.requestsPerS }];
const LATENCY: Line[] = [
  { series: 'p50_ms', name: words.p50 },
  { series: 'p95_ms', name: words.p95 },
  { series: 'p99_ms', name: words.p99 },
];
const SHARES: Line[] = [
  { series: 'gru_batch_fill', name: words.batchFill },
  { series: 'cache_hit_rate', name: words.cacheHits },
  { series: 'busiest_edge_waited', name: words.busiest },
];
const HELD: Line[] = [
  { series: 'open_windows', name: words.windowsOpen },
  { series: 'dead_letters', name: words.deadLettersShort },
];
const LAG: Line[] = [{ series: 'lag', name: words.lagSum }];

export function Curves() {
  // The partitions' own curves are drawn faintly behind their sum.
  const partitions = useLive((live) => live.snapshot?.partitions.length ?? 0);
  const behind = Array.from({ length: Math.min(partitions, 64) }, (_, partition) => `lag.${partition}`).join(' ');
  return (
    <section class="curves" aria-labelledby="curves-title">
      <h2 id="curves-title" class="sr-only">
        {words.curves}
      </h2>
      <Curve id="lag" title={words.lag} lines={LAG} behind={behind} figure={rate} />
      <Curve id="throughput" title={words.throughput} lines={THROUGHPUT} figure={rate} />
      <Curve id="requests" title={words.requests} lines={REQUESTS} figure={rate} />
      <Curve id="latency" title={words.latency} lines={LATENCY} figure={milliseconds} />
      <Curve id="shares" title={words.shares} lines={SHARES} figure={share} scale={100} />
      <Curve id="held" title={words.held} lines={HELD} figure={rate} />
    </section>
  );
}
