import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { palette } from './palette';
import { history, now, useLive, watch } from './store';

export interface Line {
  series: string;
  name: string;
}

interface CurveProps {
  id: string;
  title: string;
  lines: readonly Line[];
  /** Series that are drawn faintly behind, by name, with spaces between. */
  behind?: string;
  figure: (value: number | null | undefined) => string;
  /** What the curve's values are multiplied by, as for shares in per cent. */
  scale?: number;
}

/** Lines are told apart by their strokes, not by colour alone. */
const DASHES: number[][] = [[], [6, 3], [2, 2]];

/** The height of a curve for each rem. */
const HEIGHT_REM = 6.5;

const rem = (): number => Number.parseFloat(getComputedStyle(document.documentElement).fontSize);

/** One curve of the history, with the values of now in its caption. The canvas is drawn anew with each new point, not with each update. */
export function Curve({ id, title, lines, behind = '', figure, scale = 1 }: CurveProps) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = place.current;
    if (!element) return undefined;
    const faint = behind === '' ? [] : behind.split(' ');
    const names = [...faint, ...lines.map((line) => line.series)];
    const data = (): uPlot.AlignedData => {
      const [at, ...columns] = history.read(names);
      if (scale === 1) return [at, ...columns];
      return [at, ...columns.map((column) => column.map((value) => (value === null ? null : value * scale)))];
    };
    let plot: uPlot | undefined;
    const draw = (): void => {
      plot?.destroy();
      plot = new uPlot(options(element.clientWidth, faint.length, lines.length, scale === 100), data(), element);
    };
    draw();
    let points = now().points;
    let seen = true;
    const look = (): void => {
      if (points === now().points || !seen) return;
      points = now().points;
      plot?.setData(data());
    };
    const unwatch = watch(look);
    const sight = new IntersectionObserver(([entry]) => {
      seen = entry?.isIntersecting ?? true;
      look();
    }, { rootMargin: '50%' });
    sight.observe(element);
    const size = new ResizeObserver(() => {
      const width = element.clientWidth;
      if (plot && width > 0 && width !== plot.width) plot.setSize({ width, height: HEIGHT_REM * rem() });
    });
    size.observe(element);
    const unlight = palette.watch(draw);
    return () => {
      unwatch();
      unlight();
      sight.disconnect();
      size.disconnect();
      plot?.destroy();
    };
  }, [behind, lines, scale]);
  return (
    <figure class="curve" data-curve={id} aria-labelledby={`curve-${id}`}>
      <figcaption id={`curve-${id}`}>
        <h3>{title}</h3>
        <dl>
          {lines.map((line, at) => (
            <Value key={line.series} line={line} at={at} figure={figure} />
          ))}
        </dl>
      </figcaption>
      <div class="plot" ref={place} aria-hidden="true" />
    </figure>
  );
}

function Value({ line, at, figure }: { line: Line; at: number; figure: CurveProps['figure'] }) {
  const value = useLive((live) => figure(live.snapshot?.series[line.series]));
  return (
    <div class={`line line-${at}`}>
      <dt>
        <svg viewBox="0 0 18 4" aria-hidden="true">
          <path d="M0 2H18" stroke-dasharray={DASHES[at]?.join(' ') || undefined} />
        </svg>
        {line.name}
      </dt>
      <dd data-series={line.series}>{value}</dd>
    </div>
  );
}

function options(width: number, faint: number, lines: number, share: boolean): uPlot.Options {
  const em = rem();
  // A share is known only while something is counted: between, it is as it was.
  const font = `${0.7 * em}px ${palette.now().font}`;
  const thin = (stroke: () => string, dash: number[] = [], weight = 1.5): uPlot.Series => ({ stroke, dash, width: (weight * em) / 16, points: { show: false }, spanGaps: share });
  const axis = { stroke: () => palette.now().soft, font, ticks: { show: false } };
  const grid = { stroke: () => palette.now().rule, width: 1 };
  return {
    width: Math.max(40, width),
    height: HEIGHT_REM * em,
    legend: { show: false },
    cursor: { show: false },
    padding: [0.4 * em, 0.6 * em, 0, 0],
    scales: { y: { range: share ? [0, 100] : (_plot, _least, most) => [0, niceTop(most)] } },
    axes: [
      { ...axis, size: 1.3 * em, gap: 0.2 * em, space: 5.5 * em, grid: { show: false }, values: (_plot, at) => at.map((second) => new Date(second * 1000).toISOString().slice(11, 16)) },
      { ...axis, size: 2.9 * em, gap: 0.3 * em, space: 1.9 * em, grid, values: (_plot, values) => values.map(shortly) },
    ],
    series: [
      {},
      ...Array.from({ length: faint }, () => thin(() => palette.now().faint, [], 1)),
      ...Array.from({ length: lines }, (_, at) => thin(() => palette.now().lines[at] ?? palette.now().ink, DASHES[at])),
    ],
  };
}

/** A curve of nothing still has a scale. */
const niceTop = (most: number | null): number => Math.max(1, (most ?? 0) * 1.08);

const shortly = (value: number): string => (Math.abs(value) >= 1e6 ? `${value / 1e6}M` : Math.abs(value) >= 10_000 ? `${value / 1e3}k` : String(value));
