import type { HistoryEntry } from '../api/types';
import { useWords } from '../text/language';
import { duration } from '../text/words';

const SECTIONS_SHOWN = 6;

/** How many reads there are, and how they are spread over the sections, as short bars. */
export function SectionShares({ history }: { history: HistoryEntry[] }) {
  const { account, paper } = useWords();
  const counts = new Map<string, number>();
  for (const { category } of history) {
    const name = category || paper.noSection;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const largest = Math.max(...counts.values());
  const seconds = history.reduce((sum, read) => sum + (read.read_time ?? 0), 0);
  return (
    <>
      <p class="tally">{account.tally(history.length, duration(seconds), counts.size)}</p>
      <ul class="shares" aria-label={account.bySection}>
        {[...counts]
          .sort((a, b) => b[1] - a[1])
          .slice(0, SECTIONS_SHOWN)
          .map(([name, count]) => (
            <li key={name}>
              <span>{name}</span>
              <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
                <rect class="share-bar" width={(100 * count) / largest} height="8" />
              </svg>
              <span class="share-count">{count}</span>
            </li>
          ))}
      </ul>
    </>
  );
}
