import { Bar, Panel, Table } from '../Panel';
import type { Head } from '../Panel';
import { promoteNamespace } from '../api';
import { ask, attempt } from '../asking';
import { count, moment } from '../format';
import { memo } from '../memo';
import { useLive } from '../store';
import type { NamespaceNow } from '../types';
import { words } from '../text';

const HEADS: readonly Head[] = [{ text: words.name }, { text: words.kind }, { text: words.progress }, { text: words.does, hidden: true }];

/** Which states there are, how far each is folded, and which one readers see. */
export function Namespaces() {
  const namespaces = useLive((live) => live.snapshot?.namespaces);
  const live = namespaces?.find((one) => one.live)?.name ?? '';
  return (
    <Panel id="namespaces" title={words.namespaces}>
      <Table label={words.namespaces} heads={HEADS}>
        {(namespaces ?? []).map((one) => (
          <Row key={one.name} namespace={one} live={live} />
        ))}
      </Table>
    </Panel>
  );
}

async function promote(name: string, was: string): Promise<void> {
  if (!(await ask(words.promoteTitle(name), words.promoteWhy(name, was), words.promote))) return;
  await attempt(
    () => promoteNamespace(name),
    (answer) => words.promoted(answer.live, answer.was),
  );
}

const Row = memo(function Row({ namespace: { name, kind, done, total, until, live: isLive }, live }: { namespace: NamespaceNow; live: string }) {
  const part = done === null || total === null ? undefined : total === 0 ? 1 : done / total;
  return (
    <tr data-live={isLive ? '' : undefined}>
      <th scope="row">{name}</th>
      <td>
        {words.kinds[kind] ?? kind} {until && <span class="quiet nowrap">{moment(until)}</span>}
      </td>
      <td class="part">
        {part !== undefined && <Bar share={part} />} <span class="nowrap">{words.progressOf(count(done), count(total))}</span>
      </td>
      <td>
        {!isLive && kind === 'beside' && (
          <button type="button" class="small" aria-label={words.promoteNamespace(name)} onClick={() => void promote(name, live)}>
            {words.promote}
          </button>
        )}
      </td>
    </tr>
  );
});
