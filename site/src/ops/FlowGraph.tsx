import { useMemo } from 'preact/hooks';
import { rate, share } from './format';
import { layOut } from './layout';
import type { Box, Route } from './layout';
import { memo } from './memo';
import { pressureOf } from './pressure';
import { useLive } from './store';
import type { FlowNode, Graph } from './types';
import { words } from './text';

/** In units of the drawing: a pixel at a root font of 16. */
const NODE = { height: 32, letter: 6.7, padding: 18, least: 58 };
const SPACE = { gap: 64, rowGap: 30, margin: 16, above: 12, below: 16 };
const GAUGE = { width: 40, height: 4 };

const widthOf = (name: string): number => Math.max(NODE.least, Math.round(name.length * NODE.letter + NODE.padding));

interface FlowGraphProps {
  graph: Graph;
  /** Its place among the flows of a snapshot. */
  at: number;
  room: number;
}

/** One dataflow, drawn from its own description. Its shape is laid out once; only figures and colours follow the updates. */
export const FlowGraph = memo(function FlowGraph({ graph, at, room }: FlowGraphProps) {
  const layout = useMemo(
    () => layOut({ widths: graph.nodes.map((node) => widthOf(node.name)), edges: graph.edges, room, height: NODE.height, ...SPACE }),
    [graph, room],
  );
  const height = layout.height + SPACE.above + SPACE.below;
  return (
    <figure class="flow">
      <figcaption>{graph.name}</figcaption>
      <svg
        role="img"
        aria-label={words.flowName(graph.name, graph.nodes.length)}
        viewBox={`0 ${-SPACE.above} ${layout.width} ${height}`}
        style={{ width: `${layout.width / 16}rem` }}
      >
        {layout.routes.map((route, edge) => (
          <Edge key={edge} flow={at} edge={edge} route={route} />
        ))}
        {graph.nodes.map((node, place) => {
          const box = layout.boxes[place];
          return box && <Node key={place} flow={at} place={place} node={node} box={box} />;
        })}
      </svg>
    </figure>
  );
});

const Edge = memo(function Edge({ flow, edge, route }: { flow: number; edge: number; route: Route }) {
  const seen = useLive((live) => live.snapshot?.flows[flow]?.edges[edge]);
  const pressure = pressureOf(seen?.waited);
  const fill = seen?.capacity ? Math.min(1, (seen.queued ?? 0) / seen.capacity) : null;
  const { labelX: x, labelY: y, endX, endY } = route;
  return (
    <g class={`edge pressure-${pressure}`} data-flow={flow} data-edge={edge}>
      <path class="edge-line" d={route.path} />
      <path class="edge-tip" d={`M${endX - 6} ${endY - 3.5}L${endX} ${endY}L${endX - 6} ${endY + 3.5}`} />
      <text x={x} y={y - 5}>
        {rate(seen?.rows_per_s)}
      </text>
      {fill !== null && (
        <>
          <rect class="gauge" x={x - GAUGE.width / 2} y={y + 5} width={GAUGE.width} height={GAUGE.height} />
          <rect class="gauge-full" x={x - GAUGE.width / 2} y={y + 5} width={GAUGE.width * fill} height={GAUGE.height} />
        </>
      )}
      {pressure > 0 && (
        <text class="edge-waits" x={x} y={y + 19}>
          {words.waits(share(seen?.waited))}
        </text>
      )}
    </g>
  );
});

const Node = memo(function Node({ flow, place, node, box }: { flow: number; place: number; node: FlowNode; box: Box }) {
  const held = useLive((live) => live.snapshot?.flows[flow]?.nodes[place]?.held_rows);
  const open = useLive((live) => live.snapshot?.flows[flow]?.nodes[place]?.open_windows);
  const facts = [held ? words.heldRows(rate(held)) : '', open ? words.windows(rate(open)) : ''].filter(Boolean).join(', ');
  const middle = box.x + box.width / 2;
  return (
    <g class={`node node-${node.kind}`}>
      <title>{[node.takes, node.emits].filter(Boolean).join(' → ')}</title>
      <rect x={box.x} y={box.y} width={box.width} height={box.height} rx={node.kind === 'source' ? box.height / 2 : 3} />
      {node.kind === 'sink' && <path d={`M${box.x + box.width - 4} ${box.y}v${box.height}`} />}
      <text x={middle} y={box.y + 20}>
        {node.name}
      </text>
      {facts && (
        <text class="node-facts" x={middle} y={box.y + box.height + 11}>
          {facts}
        </text>
      )}
    </g>
  );
});
