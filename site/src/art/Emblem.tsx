/** The paper's device: a rising sun, cut in few lines. */
export function Emblem() {
  const rays = Array.from({ length: 11 }, (_, at) => {
    const angle = Math.PI * (at / 10);
    const [long, half] = [at % 2 === 0 ? 29 : 24, 0.05];
    const point = (radius: number, turn: number): string =>
      `${(32 - radius * Math.cos(turn)).toFixed(1)} ${(34 - radius * Math.sin(turn)).toFixed(1)}`;
    return `M${point(15, angle - half * 1.6)}L${point(long, angle)}L${point(15, angle + half * 1.6)}z`;
  });
  return (
    <svg class="emblem" viewBox="0 0 64 42" aria-hidden="true" focusable="false">
      <path d={rays.join('')} />
      <path d="M20 34a12 12 0 0 1 24 0z" />
      <path d="M2 37.500h60v1.500H2zM10 40.500h44v1H10z" />
    </svg>
  );
}
