/** The shape of a front page while its stories are on their way. */
export function FrontSkeleton() {
  return (
    <div class="front skeleton" aria-hidden="true">
      <div class="front-top">
        <Block kind="lead" />
        <div class="front-second">
          <Block kind="second" />
          <Block kind="second" />
        </div>
      </div>
      <div class="front-third">
        {[0, 1, 2, 3].map((slot) => (
          <Block key={slot} kind="third" />
        ))}
      </div>
    </div>
  );
}

function Block({ kind }: { kind: string }) {
  return (
    <div class={`story story-${kind}`}>
      <div class="story-picture">
        <div class="bone bone-picture" />
      </div>
      <div class="story-text">
        <div class="bone bone-kicker" />
        <div class="bone bone-headline" />
        <div class="bone bone-headline bone-short" />
      </div>
    </div>
  );
}

export function CardsSkeleton() {
  return (
    <div class="related-cards skeleton" aria-hidden="true">
      {[0, 1, 2].map((slot) => (
        <Block key={slot} kind="related" />
      ))}
    </div>
  );
}

export function TextSkeleton({ lines = 8 }: { lines?: number }) {
  return (
    <div class="skeleton" aria-hidden="true">
      {Array.from({ length: lines }, (_, line) => (
        <div key={line} class={line === lines - 1 ? 'bone bone-line bone-short' : 'bone bone-line'} />
      ))}
    </div>
  );
}
