import { useEffect, useState } from 'preact/hooks';
import { setPaused } from '../api';
import { ask, attempt, say } from '../asking';
import { moment, seconds } from '../format';
import { hasKey, setKey } from '../key';
import { memo } from '../memo';
import { RATES, connect, lock, now, useLive } from '../store';
import type { Snapshot } from '../types';
import { words } from '../text';

/** Data older than so many updates, and at least than so long, is called old. */
const OLD_UPDATES = 3;
const OLD_MS = 3000;

export function Header() {
  return (
    <header class="top">
      <h1>
        <a href="/">Abovefold</a> <span>{words.title}</span>
      </h1>
      <Freshness />
      <Facts />
      <Controls />
      <Trouble />
    </header>
  );
}

/** How old the data is, told by this page's own clock once a second. */
function Freshness() {
  const phase = useLive((live) => live.phase);
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((count) => count + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  const { heardAt, everyMs, snapshot } = now();
  const age = performance.now() - heardAt;
  const old = snapshot !== undefined && (phase.name !== 'live' || age > Math.max(OLD_MS, OLD_UPDATES * everyMs));
  useEffect(() => {
    // Said once each way, not every second.
    if (snapshot) say(old ? words.wentAway : words.cameBack, old);
  }, [old]);
  let text: string = words.connecting;
  if (snapshot) text = old ? words.old(seconds(age)) : words.live(seconds(age));
  else if (phase.name !== 'connecting') text = words.none;
  const why = phase.name === 'lost' ? words.again(phase.why, seconds(phase.againAt - performance.now())) : undefined;
  return (
    <p class="freshness" data-old={old ? '' : undefined}>
      <span class="sign" aria-hidden="true" />
      {text}
      {why !== undefined && <span class="why"> {why}</span>}
    </p>
  );
}

const status = (snapshot: Snapshot): 'ok' | 'degraded' | 'unknown' => {
  if (!snapshot.edges) return 'unknown';
  const edgesWell = Object.values(snapshot.edges).every((edge) => edge.status === 'ok');
  return edgesWell && snapshot.model && !snapshot.reason && snapshot.fallbacks.length === 0 ? 'ok' : 'degraded';
};

function Facts() {
  const well = useLive((live) => live.snapshot && status(live.snapshot));
  const edges = useLive((live) => live.snapshot?.edges);
  const namespace = useLive((live) => live.snapshot?.namespace);
  const watermark = useLive((live) => live.snapshot?.watermark);
  const model = useLive((live) => live.snapshot?.model);
  if (!well) return null;
  return (
    <dl class="facts">
      <Fact name={words.health} value={words[well]} bad={well === 'degraded'} />
      {Object.entries(edges ?? {}).map(([name, edge]) => (
        <Fact key={name} name={words.edge[name] ?? name} value={edge.status === 'ok' ? edge.detail : `${words.down}: ${edge.detail}`} bad={edge.status !== 'ok'} />
      ))}
      <Fact name={words.namespace} value={namespace ?? words.unknown} />
      <Fact name={words.watermark} value={moment(watermark)} />
      <Fact name={words.model} value={model ? `${model.version}, ${model.precision}, ${model.device}` : words.noModel} />
    </dl>
  );
}

const Fact = memo(function Fact({ name, value, bad }: { name: string; value: string; bad?: boolean }) {
  return (
    <div class="fact" data-bad={bad ? '' : undefined}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
});

function Controls() {
  const paused = useLive((live) => live.snapshot?.paused);
  const works = useLive((live) => live.snapshot?.works);
  const everyMs = useLive((live) => live.everyMs);
  const locked = useLive((live) => live.phase.name === 'locked');
  if (locked) return null;
  const turn = async (): Promise<void> => {
    if (!paused && !(await ask(words.pauseTitle, words.pauseWhy, words.pause))) return;
    await attempt(
      () => setPaused(!paused),
      (answer) => (answer.paused ? words.pausedDone : words.resumedDone),
    );
  };
  const forget = (): void => {
    setKey(undefined);
    lock(false);
  };
  return (
    <div class="controls">
      <label>
        {words.updates}{' '}
        <select value={everyMs} onChange={(event) => connect(Number(event.currentTarget.value))}>
          {RATES.map((rate) => (
            <option key={rate} value={rate}>
              {words.every(rate)}
            </option>
          ))}
        </select>
      </label>
      {works && (
        <button type="button" onClick={() => void turn()}>
          {paused ? words.resume : words.pause}
        </button>
      )}
      {hasKey() && (
        <button type="button" onClick={forget}>
          {words.keyForget}
        </button>
      )}
    </div>
  );
}

/** What is wrong, in words; nothing where nothing is. */
function Trouble() {
  const reason = useLive((live) => live.snapshot?.reason);
  const fallbacks = useLive((live) => live.snapshot?.fallbacks);
  const lines = [reason, ...(fallbacks ?? []).map((one) => words.fallback(one.failed, one.serves))].filter(Boolean);
  if (lines.length === 0) return null;
  return (
    <ul class="trouble" aria-label={words.degraded}>
      {lines.map((line) => (
        <li key={line}>{line}</li>
      ))}
    </ul>
  );
}
