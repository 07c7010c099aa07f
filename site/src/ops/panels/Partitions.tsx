import { Panel, Table } from '../Panel';
import type { Head } from '../Panel';
import { count, moment } from '../format';
import { memo } from '../memo';
import { useLive } from '../store';
import type { PartitionNow } from '../types';
import { words } from '../text';

const HEADS: readonly Head[] = [
  { text: words.partition, figure: true },
  { text: words.lagHead, figure: true },
  { text: words.marker, figure: true },
  { text: words.logEnd, figure: true },
  { text: words.watermark },
  { text: words.state },
];

/** How far each partition is folded, and whether it moves. */
export function Partitions() {
  const partitions = useLive((live) => live.snapshot?.partitions);
  const paused = useLive((live) => live.snapshot?.paused ?? false);
  return (
    <Panel id="partitions" title={words.partitions}>
      <Table label={words.partitions} heads={HEADS}>
        {(partitions ?? []).map((partition) => (
          <Row key={partition.partition} partition={partition} paused={paused} />
        ))}
      </Table>
    </Panel>
  );
}

const Row = memo(function Row({ partition, paused }: { partition: PartitionNow; paused: boolean }) {
  const still = partition.stopped.map((stopped) => words.standsStill(stopped.dataflow, stopped.reason)).join('; ');
  return (
    <tr data-partition={partition.partition} data-bad={still ? '' : undefined}>
      <th scope="row" class="figure">
        {partition.partition}
      </th>
      <td class="figure lag">{count(partition.lag)}</td>
      <td class="figure">{count(partition.marker)}</td>
      <td class="figure">{count(partition.log_end)}</td>
      <td class="nowrap">{moment(partition.watermark)}</td>
      <td>{still || (paused ? words.waitsForWorker : words.folding)}</td>
    </tr>
  );
});
