import { Bar, Panel, Table } from '../Panel';
import type { Head } from '../Panel';
import { count, milliseconds, rate, share } from '../format';
import { memo } from '../memo';
import { useLive } from '../store';
import type { RouteNow } from '../types';
import { words } from '../text';

const ROUTES: readonly Head[] = [
  { text: words.route },
  { text: words.perSecond, figure: true },
  { text: words.p50, figure: true },
  { text: words.p95, figure: true },
  { text: words.p99, figure: true },
];
const MIX: readonly Head[] = [{ text: words.servedBy }, { text: words.perSecond, figure: true }, { text: words.total, figure: true }, { text: words.share }];
const ARMS: readonly Head[] = [{ text: words.arm }, { text: words.perSecond, figure: true }, { text: words.total, figure: true }, { text: words.readers }];

/** What this page asks itself. */
const OWN = /^\/(?:admin|ops)\b/;

/** What is asked, how fast it is answered, and what answers. */
export function Serving() {
  const errors = useLive((live) => live.snapshot?.http?.errors_per_s);
  return (
    <Panel id="serving" title={words.serving} aside={errors ? <span class="bad">{words.errors(rate(errors))}</span> : undefined}>
      <Routes />
      <Mix />
      <Arms />
    </Panel>
  );
}

function Routes() {
  const all = useLive((live) => live.snapshot?.http?.routes);
  const routes = (all ?? []).filter(({ route }) => !OWN.test(route));
  if (routes.length === 0) return <p class="quiet">{words.noRequests}</p>;
  return (
    <Table label={words.requests} heads={ROUTES}>
      {routes.map((route) => (
        <RouteRow key={route.route} route={route} />
      ))}
    </Table>
  );
}

const RouteRow = memo(function RouteRow({ route }: { route: RouteNow }) {
  return (
    <tr>
      <th scope="row" class="code">
        {route.route}
      </th>
      <td class="figure">{rate(route.requests_per_s)}</td>
      <td class="figure">{milliseconds(route.p50_ms)}</td>
      <td class="figure">{milliseconds(route.p95_ms)}</td>
      <td class="figure">{milliseconds(route.p99_ms)}</td>
    </tr>
  );
});

function Mix() {
  const mix = useLive((live) => live.snapshot?.served_by);
  if (!mix || mix.length === 0) return null;
  const all = mix.reduce((sum, one) => sum + one.total, 0);
  return (
    <Table label={words.servedBy} heads={MIX}>
      {mix.map((one) => (
        <MixRow key={one.served_by} name={one.served_by} perSecond={one.per_s} total={one.total} part={all > 0 ? one.total / all : 0} />
      ))}
    </Table>
  );
}

function Arms() {
  const arms = useLive((live) => live.snapshot?.arms);
  if (!arms || arms.length === 0) return <p class="quiet">{words.noArms}</p>;
  return (
    <Table label={words.arm} heads={ARMS}>
      {arms.map((arm) => (
        <MixRow
          key={arm.name}
          name={arm.name}
          perSecond={arm.per_s}
          total={arm.total}
          part={arm.share}
          note={arm.namespace === null ? undefined : words.ofNamespace(arm.namespace)}
        />
      ))}
    </Table>
  );
}

interface MixRowProps {
  name: string;
  perSecond: number | null;
  total: number;
  part: number;
  note?: string | undefined;
}

const MixRow = memo(function MixRow({ name, perSecond, total, part, note }: MixRowProps) {
  return (
    <tr>
      <th scope="row">
        {name} {note !== undefined && <span class="quiet">{note}</span>}
      </th>
      <td class="figure">{rate(perSecond)}</td>
      <td class="figure">{count(total)}</td>
      <td class="part">
        <Bar share={part} /> {share(part)}
      </td>
    </tr>
  );
});
