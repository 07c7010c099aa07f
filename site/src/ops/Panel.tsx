import type { ComponentChildren } from 'preact';
import { memo } from './memo';

interface PanelProps {
  id: string;
  title: string;
  aside?: ComponentChildren;
  children: ComponentChildren;
}

/** A part of the page with a heading of its own. */
export function Panel({ id, title, aside, children }: PanelProps) {
  return (
    <section class={`panel panel-${id}`} aria-labelledby={`${id}-title`}>
      <div class="panel-head">
        <h2 id={`${id}-title`}>{title}</h2>
        {aside !== undefined && <div class="panel-aside">{aside}</div>}
      </div>
      {children}
    </section>
  );
}

/** A head that is a figure's stands to the right, as its figures do. */
export interface Head {
  text: string;
  figure?: boolean;
  hidden?: boolean;
}

interface TableProps {
  label: string;
  heads: readonly Head[];
  children: ComponentChildren;
}

/** A table that scrolls within itself where it is wider than its place, by keys as well. */
export function Table({ label, heads, children }: TableProps) {
  return (
    <div class="scroll" role="group" aria-label={label} tabIndex={0}>
      <table>
        <Heads heads={heads} />
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

const Heads = memo(function Heads({ heads }: { heads: readonly Head[] }) {
  return (
    <thead>
      <tr>
        {heads.map(({ text, figure, hidden }) => (
          <th key={text} scope="col" class={figure ? 'figure' : undefined}>
            {hidden ? <span class="sr-only">{text}</span> : text}
          </th>
        ))}
      </tr>
    </thead>
  );
});

/** A share as a bar; its figure stands beside it. */
export function Bar({ share }: { share: number }) {
  const width = Math.round(Math.min(1, Math.max(0, share)) * 100);
  return (
    <svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
      <rect class="bar-room" width="100" height="6" />
      <rect class="bar-full" width={width} height="6" />
    </svg>
  );
}
