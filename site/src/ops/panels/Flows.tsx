import { useEffect, useRef, useState } from 'preact/hooks';
import { FlowGraph } from '../FlowGraph';
import { pressureOf } from '../pressure';
import { Panel, Table } from '../Panel';
import type { Head } from '../Panel';
import { count, rate, share } from '../format';
import { memo } from '../memo';
import { useLive } from '../store';
import type { EdgeNow, Graph } from '../types';
import { words } from '../text';

/** The room for graphs, in CSS pixels at a root font of 16: graphs grow with the font, as all else. */
function useRoom() {
  const place = useRef<HTMLDivElement>(null);
  const [room, setRoom] = useState(0);
  useEffect(() => {
    const element = place.current;
    if (!element) return undefined;
    const size = new ResizeObserver(() => {
      const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
      setRoom(Math.floor((element.clientWidth / rem) * 16));
    });
    size.observe(element);
    return () => size.disconnect();
  }, []);
  return { place, room };
}

/** The dataflows that this process runs, as it describes them itself. */
export function Flows() {
  const graphs = useLive((live) => live.graphs);
  const { place, room } = useRoom();
  return (
    <Panel id="flows" title={words.flows} aside={<Legend />}>
      <div class="graphs" ref={place}>
        {room > 0 && graphs.map((graph, at) => <FlowGraph key={graph.name} graph={graph} at={at} room={room} />)}
        {graphs.length === 0 && <p class="quiet">{words.noFlows}</p>}
      </div>
      {graphs.length > 0 && <AsTable graphs={graphs} />}
    </Panel>
  );
}

function Legend() {
  return (
    <p class="legend">
      {words.flowLegend}
      {words.pressure.map((text, pressure) => (
        <span key={text} class={`pressure-${pressure}`}>
          <svg viewBox="0 0 26 6" aria-hidden="true">
            <path class="edge-line" d="M0 3H26" />
          </svg>
          {text}
        </span>
      ))}
    </p>
  );
}

const HEADS: readonly Head[] = [
  { text: words.flow },
  { text: words.from },
  { text: words.to },
  { text: words.rowsPerS, figure: true },
  { text: words.queue, figure: true },
  { text: words.waited, figure: true },
];

function AsTable({ graphs }: { graphs: readonly Graph[] }) {
  const [open, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{words.asTable}</summary>
      {open && (
        <Table label={words.flows} heads={HEADS}>
          {graphs.flatMap((graph, flow) => graph.edges.map((_, edge) => <EdgeRow key={`${flow} ${edge}`} graph={graph} flow={flow} edge={edge} />))}
        </Table>
      )}
    </details>
  );
}

function EdgeRow({ graph, flow, edge }: { graph: Graph; flow: number; edge: number }) {
  const seen = useLive((live) => live.snapshot?.flows[flow]?.edges[edge]);
  const [from, to] = graph.edges[edge] ?? [0, 0];
  return <EdgeCells flow={graph.name} from={graph.nodes[from]?.name ?? ''} to={graph.nodes[to]?.name ?? ''} seen={seen} />;
}

const EdgeCells = memo(function EdgeCells({ flow, from, to, seen }: { flow: string; from: string; to: string; seen: EdgeNow | undefined }) {
  return (
    <tr>
      <td>{flow}</td>
      <td>{from}</td>
      <td>{to}</td>
      <td class="figure">{rate(seen?.rows_per_s)}</td>
      <td class="figure">{seen?.capacity == null ? '–' : words.queued(count(seen.queued), count(seen.capacity))}</td>
      <td class="figure">
        {share(seen?.waited)}
        {pressureOf(seen?.waited) > 0 && `, ${words.pressure[pressureOf(seen?.waited)]}`}
      </td>
    </tr>
  );
});
