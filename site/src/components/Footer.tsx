export function Footer() {
  return (
    <footer class="footer">
      <p class="footer-name">The Daily Chronicle</p>
      <p>
        Printed by Abovefold. Every reader’s front page is a fold over the log of what was read; nothing on this page
        was asked of anybody else.
      </p>
      <nav aria-label="Paper">
        <a href="/">Front page</a>
        <a href="/account">Account</a>
      </nav>
    </footer>
  );
}
