import { useEffect, useState } from 'preact/hooks';
import { motifsOf } from './categories';
import { drawing, drawnBefore } from './draw';
import { inTurn } from './inTurn';
import { HEIGHT, WIDTH } from './shapes';

interface Props {
  id: number;
  category: string;
  /** Finer lines, for a large picture. */
  fine?: boolean;
}

/** An article's picture: always the same for the same article. Decorative, so hidden from screen readers. */
export function Illustration({ id, category, fine = false }: Props) {
  const [picture, setPicture] = useState(() => drawnBefore(id, category, fine));
  useEffect(() => {
    const known = drawnBefore(id, category, fine);
    setPicture(known);
    return known ? undefined : inTurn(drawing(id, category, fine), setPicture);
  }, [id, category, fine]);
  return (
    <svg
      class={`art art-hue-${motifsOf(category).hue}`}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="xMidYMid slice"
      aria-hidden="true"
      focusable="false"
    >
      <rect class="art-paper" width={WIDTH} height={HEIGHT} />
      <g transform={picture?.mirrored ? `matrix(-1 0 0 1 ${WIDTH} 0)` : undefined}>
        {picture?.marks.map(({ d, kind }, place) => (
          <path key={place} class={`art-${kind}`} d={d} />
        ))}
      </g>
    </svg>
  );
}
