import { useState } from 'preact/hooks';
import { savePreferences } from '../api/client';
import type { HistoryEntry } from '../api/types';
import { knownSections } from '../reader/sections';
import type { Reader } from '../reader/store';
import { follow } from '../telemetry/after';
import { useWords } from '../text/language';

/** Offered until the paper's own sections have been seen. */
const USUAL = ['World', 'Politics', 'Business', 'Science', 'Technology', 'Culture', 'Sport', 'Weather'];

interface Props {
  reader: Reader;
  history: HistoryEntry[];
  /** Those that the paper knows of; nothing while it has not been heard. */
  topics: string[] | undefined;
}

/** The sections that a reader wishes to see more of. */
export function Topics({ reader, history, topics }: Props) {
  const words = useWords().topics;
  const [chosen, setChosen] = useState<string[]>(topics ?? []);
  const [news, setNews] = useState('');
  const read = history.flatMap(({ category }) => (category ? [category] : []));
  const seen = [...new Set([...knownSections(), ...read, ...chosen])];
  const sections = (seen.length >= 3 ? seen : [...new Set([...USUAL, ...seen])]).sort((a, b) => a.localeCompare(b));

  const toggle = (topic: string): void => {
    setNews('');
    setChosen((now) => (now.includes(topic) ? now.filter((other) => other !== topic) : [...now, topic]));
  };
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    setNews(words.saving);
    try {
      const saved = savePreferences(reader.userId, chosen);
      follow(reader.userId, saved.then((accepted) => accepted?.after));
      await saved;
      setNews(words.saved);
    } catch {
      setNews(words.failed);
    }
  };

  return (
    <section aria-labelledby="topics-title">
      <h2 class="section-name" id="topics-title">
        {words.title}
      </h2>
      <form onSubmit={save}>
        <fieldset class="topic-choice">
          <legend>{words.legend}</legend>
          {sections.map((topic) => (
            <label key={topic}>
              <input type="checkbox" checked={chosen.includes(topic)} onChange={() => toggle(topic)} />
              <span>{topic}</span>
            </label>
          ))}
        </fieldset>
        <button type="submit" class="strong">
          {words.save}
        </button>
        <p class="quiet news" role="status">
          {news}
        </p>
      </form>
    </section>
  );
}
