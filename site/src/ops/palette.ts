/** The colours that canvases are drawn with, taken from the style sheet once for each light. */

export interface Palette {
  ink: string;
  soft: string;
  rule: string;
  faint: string;
  lines: string[];
  font: string;
}

let kept: Palette | undefined;
const watchers = new Set<() => void>();

const light = globalThis.matchMedia?.('(prefers-color-scheme: dark)');
light?.addEventListener('change', () => {
  kept = undefined;
  for (const watcher of watchers) watcher();
});

function read(): Palette {
  const style = getComputedStyle(document.documentElement);
  const value = (name: string): string => style.getPropertyValue(name).trim();
  const lines = ['--line-0', '--line-1', '--line-2'].map(value);
  return { ink: value('--ink'), soft: value('--ink-soft'), rule: value('--rule'), faint: value('--faint'), lines, font: value('--sans') };
}

export const palette = {
  now: (): Palette => (kept ??= read()),
  /** Calls `watcher` when the light changes. */
  watch(watcher: () => void): () => void {
    watchers.add(watcher);
    return () => watchers.delete(watcher);
  },
};
