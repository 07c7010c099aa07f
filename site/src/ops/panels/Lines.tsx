import { Panel } from '../Panel';
import { logLines } from '../api';
import { clock, moment } from '../format';
import { useLive } from '../store';
import { useFetched } from '../useFetched';
import { words } from '../text';

/** The newest lines of the program's log at warn and above, fetched when there are more. */
export function Lines() {
  const seen = useLive((live) => live.snapshot && `${live.snapshot.log.warnings} ${live.snapshot.log.errors}`);
  const lines = useFetched(logLines, seen)?.lines ?? [];
  return (
    <Panel id="lines" title={words.log}>
      {lines.length === 0 ? (
        <p class="quiet">{words.noLines}</p>
      ) : (
        <div class="scroll tall" role="group" aria-label={words.log} tabIndex={0}>
          <ol class="log">
            {lines.map((line, at) => (
              <li key={`${line.time} ${at}`} data-level={line.level}>
                <time dateTime={line.time} title={moment(line.time)}>
                  {clock(line.time)}
                </time>{' '}
                <span class="level">{line.level}</span> <span class="target">{line.target.replace(/^abovefold(_\w+)?::/, '')}</span> {line.text}
              </li>
            ))}
          </ol>
        </div>
      )}
    </Panel>
  );
}
