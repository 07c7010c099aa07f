import { Panel, Table } from '../Panel';
import type { Head } from '../Panel';
import { promoteModel } from '../api';
import { ask, attempt } from '../asking';
import { memo } from '../memo';
import { useLive } from '../store';
import type { ModelNow } from '../types';
import { words } from '../text';

const HEADS: readonly Head[] = [{ text: words.name }, { text: words.version }, { text: words.serves }, { text: words.next }, { text: words.does, hidden: true }];

/** The models of the models folder, and which one orders what readers see. */
export function Models() {
  const models = useLive((live) => live.snapshot?.models);
  return (
    <Panel id="models" title={words.models}>
      {models?.length === 0 ? (
        <p class="quiet">{words.noModels}</p>
      ) : (
        <Table label={words.models} heads={HEADS}>
          {(models ?? []).map((model) => (
            <Row key={model.name} model={model} />
          ))}
        </Table>
      )}
    </Panel>
  );
}

async function promote(name: string): Promise<void> {
  if (!(await ask(words.promoteModelTitle(name), words.promoteModelWhy, words.promote))) return;
  await attempt(
    () => promoteModel(name),
    (answer) => [words.modelPromoted(answer.name, answer.version), answer.note].filter(Boolean).join(' '),
  );
}

const Row = memo(function Row({ model }: { model: ModelNow }) {
  return (
    <tr data-live={model.serves ? '' : undefined}>
      <th scope="row">{model.name}</th>
      <td class="code">{model.version ?? '–'}</td>
      <td>{model.serves ? words.yes : '–'}</td>
      <td>{model.current ? words.yes : '–'}</td>
      <td>
        {!(model.serves && model.current) && (
          <button type="button" class="small" aria-label={words.promoteModel(model.name)} onClick={() => void promote(model.name)}>
            {words.promote}
          </button>
        )}
      </td>
    </tr>
  );
});
