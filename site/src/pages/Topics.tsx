import { useState } from 'preact/hooks';
import { savePreferences } from '../api/client';
import type { HistoryEntry } from '../api/types';
import { knownSections } from '../reader/slates';
import type { Reader } from '../reader/store';
import { kept } from '../storage';
import { follow } from '../telemetry/after';

/** Offered until the paper's own sections have been seen. */
const USUAL = ['World', 'Politics', 'Business', 'Science', 'Technology', 'Culture', 'Sport', 'Weather'];

const key = (userId: string): string => `topics.${userId}`;

export const forgetTopics = (userId: string): void => kept.remove(key(userId));

export function Topics({ reader, history }: { reader: Reader; history: HistoryEntry[] }) {
  const [chosen, setChosen] = useState<string[]>(() => kept.get<string[]>(key(reader.userId)) ?? []);
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
    setNews('Saving…');
    try {
      const saved = savePreferences(reader.userId, chosen);
      follow(reader.userId, saved.then((accepted) => accepted?.after));
      await saved;
      kept.set(key(reader.userId), chosen);
      setNews('Saved. Your next front page takes them into account.');
    } catch {
      setNews('This could not be saved just now. Please try again.');
    }
  };

  return (
    <section aria-labelledby="topics-title">
      <h2 class="section-name" id="topics-title">
        What you care for
      </h2>
      <form onSubmit={save}>
        <fieldset class="topic-choice">
          <legend>Sections that you would like to see more of</legend>
          {sections.map((topic) => (
            <label key={topic}>
              <input type="checkbox" checked={chosen.includes(topic)} onChange={() => toggle(topic)} />
              <span>{topic}</span>
            </label>
          ))}
        </fieldset>
        <button type="submit" class="strong">
          Save
        </button>
        <p class="quiet news" role="status">
          {news}
        </p>
      </form>
    </section>
  );
}
