import { storedEvents } from '../api/client';
import { TextSkeleton } from '../components/Skeleton';
import { Trouble } from '../components/Trouble';
import { useWords } from '../text/language';
import { useAnswer } from '../useAnswer';

const LINES = 40;

/** A reader's events as the log holds them: place, time and the very fields. `asked` counts the wishes to look again. */
export function StoredLines({ userId, asked }: { userId: string; asked: number }) {
  const { account } = useWords();
  const { value, trouble, again } = useAnswer(() => storedEvents(userId, LINES), [userId, asked]);
  return (
    <section class="stored" aria-labelledby="stored-title" aria-busy={!value && !trouble}>
      <h2 class="section-name" id="stored-title">
        {account.events}
      </h2>
      <p class="quiet">{account.eventsNote}</p>
      {trouble && <Trouble trouble={trouble} again={again} what={account.eventsWhat} />}
      {!value && !trouble && <TextSkeleton lines={4} />}
      {value?.events.length === 0 && <p class="empty">{account.eventsNone}</p>}
      {value && value.events.length > 0 && (
        <ol class="stored-lines" tabIndex={0} aria-labelledby="stored-title">
          {value.events.map((line) => (
            <li key={line.offset} class={line.forgotten ? 'stored-forgotten' : undefined}>
              <span class="stored-place">
                {value.topic}/{value.partition}@{line.offset}
              </span>
              <time dateTime={line.time}>{line.time}</time>
              {line.forgotten && <span class="stored-place">{account.forgotten}</span>}
              <code>{JSON.stringify(line.event)}</code>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}
