/**
 * Where the steps of a dataflow stand: in layers by their longest way from a source (after Sugiyama), each layer ordered by
 * the middle of what leads to it, and the layers folded into rows that fit the width.
 */

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Route {
  /** An SVG path from the end of one box to the beginning of the other. */
  path: string;
  /** The middle of the stretch on which its figures stand. */
  labelX: number;
  labelY: number;
  /** Where it ends: every path comes in from the left. */
  endX: number;
  endY: number;
}

export interface Layout {
  width: number;
  height: number;
  boxes: Box[];
  routes: Route[];
}

export interface Plan {
  /** How wide each box is. */
  widths: readonly number[];
  edges: readonly (readonly [number, number])[];
  /** The width to fit. */
  room: number;
  height: number;
  /** Between two layers: room for an edge's figures. */
  gap: number;
  /** Between two rows, and between two boxes of a layer. */
  rowGap: number;
  /** Left and right of the rows, for edges that go on below. */
  margin: number;
}

/** The layer of each node. An edge that closes a circle is passed over. */
export function layersOf(count: number, edges: readonly (readonly [number, number])[]): number[] {
  const layers = new Array<number>(count).fill(0);
  // The longest way has at most `count - 1` edges: whatever still moves after that goes in circles.
  for (let round = 1; round < count; round += 1) {
    let moved = false;
    for (const [from, to] of edges) {
      const layer = (layers[from] ?? 0) + 1;
      if (from === to || to >= count || from >= count || layer >= count || (layers[to] ?? 0) >= layer) continue;
      layers[to] = layer;
      moved = true;
    }
    if (!moved) break;
  }
  return layers;
}

function ordered(plan: Plan): number[][] {
  const layers = layersOf(plan.widths.length, plan.edges);
  const columns: number[][] = [];
  layers.forEach((layer, node) => (columns[layer] ??= []).push(node));
  // A circle may leave a layer empty.
  const filled = columns.filter(Boolean);
  const place = new Map<number, number>();
  for (const column of filled) {
    const middle = (node: number): number => {
      const before = plan.edges.filter(([from, to]) => to === node && place.has(from)).map(([from]) => place.get(from) ?? 0);
      return before.length > 0 ? before.reduce((sum, at) => sum + at, 0) / before.length : 0;
    };
    column.sort((a, b) => middle(a) - middle(b) || a - b);
    column.forEach((node, at) => place.set(node, at - (column.length - 1) / 2));
  }
  return filled;
}

/** Lays a graph out. Boxes keep the order in which their nodes came. */
export function layOut(plan: Plan): Layout {
  const { widths, height, gap, rowGap, margin } = plan;
  const boxes: Box[] = widths.map((width) => ({ x: 0, y: 0, width, height }));
  const rowOf = new Array<number>(widths.length).fill(0);
  let [x, y, row, tallest, widest] = [margin, 0, 0, 0, 0];
  let inRow: { column: number[]; tall: number }[] = [];
  const close = (): void => {
    for (const { column, tall } of inRow) {
      column.forEach((node, at) => {
        const box = boxes[node];
        if (box) box.y = y + (tallest - tall) / 2 + at * (height + rowGap);
      });
    }
    y += tallest + rowGap;
    inRow = [];
    tallest = 0;
  };
  for (const column of ordered(plan)) {
    const width = Math.max(...column.map((node) => widths[node] ?? 0));
    if (inRow.length > 0 && x + width + margin > plan.room) {
      close();
      row += 1;
      x = margin;
    }
    for (const node of column) {
      const box = boxes[node];
      if (box) box.x = x + (width - box.width) / 2;
      rowOf[node] = row;
    }
    const tall = column.length * height + (column.length - 1) * rowGap;
    inRow.push({ column, tall });
    tallest = Math.max(tallest, tall);
    x += width + gap;
    widest = Math.max(widest, x - gap + margin);
  }
  close();
  const routes = plan.edges.map(([from, to]) => route(boxes, rowOf, from, to, plan));
  return { width: widest, height: Math.max(0, y - rowGap), boxes, routes };
}

function route(boxes: readonly Box[], rowOf: readonly number[], from: number, to: number, plan: Plan): Route {
  const [a, b] = [boxes[from], boxes[to]];
  if (!a || !b) return { path: '', labelX: 0, labelY: 0, endX: 0, endY: 0 };
  const [startX, startY, endX, endY] = [a.x + a.width, a.y + a.height / 2, b.x, b.y + b.height / 2];
  const forward = rowOf[from] === rowOf[to] && endX > startX;
  const middleX = endX - plan.gap / 2;
  if (forward && startY === endY && endX - startX <= 1.5 * plan.gap + 60) {
    return { path: `M${startX} ${startY}H${endX}`, labelX: (startX + endX) / 2, labelY: startY, endX, endY };
  }
  if (forward) {
    const path = `M${startX} ${startY}H${startX + 6}C${middleX} ${startY} ${middleX} ${endY} ${endX - 6} ${endY}H${endX}`;
    return { path, labelX: middleX, labelY: (startY + endY) / 2, endX, endY };
  }
  // Down at the right, back between the rows, and in at the left.
  const turn = plan.margin / 2;
  const [right, left] = [startX + turn, endX - turn];
  const between = (rowOf[to] ?? 0) > (rowOf[from] ?? 0) ? b.y - plan.rowGap / 2 : Math.max(a.y + a.height, b.y + b.height) + plan.rowGap / 2;
  return { path: `M${startX} ${startY}H${right}V${between}H${left}V${endY}H${endX}`, labelX: (left + right) / 2, labelY: between, endX, endY };
}
