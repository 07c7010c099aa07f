import { LANGUAGES, chooseLanguage, languageNow, useWords } from '../text/language';

export function Footer() {
  const { paper } = useWords();
  const now = languageNow();
  return (
    <footer class="footer">
      <p class="footer-name">{paper.name}</p>
      <p>{paper.imprint}</p>
      <nav aria-label={paper.footerMenu}>
        <a href="/">{paper.frontPage}</a>
        <a href="/side-by-side">{paper.sideBySide}</a>
        <a href="/account">{paper.account}</a>
      </nav>
      <div class="footer-languages" role="group" aria-label={paper.languages}>
        {LANGUAGES.map(([tag, name]) => (
          <button key={tag} type="button" class="plain" lang={tag} aria-pressed={tag === now} onClick={() => chooseLanguage(tag)}>
            {name}
          </button>
        ))}
      </div>
    </footer>
  );
}
