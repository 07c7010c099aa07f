import { useEffect } from 'preact/hooks';

export function MissingPage({ what = 'page' }: { what?: string }) {
  useEffect(() => {
    document.title = 'Not in the paper · The Daily Chronicle';
  }, []);
  return (
    <div class="missing">
      <h1>Not in the paper</h1>
      <p>This {what} is not in our archive. It may have been withdrawn, or its address has a slip of the pen.</p>
      <p>
        <a href="/">To the front page</a>
      </p>
    </div>
  );
}
