import { useEffect, useRef } from 'preact/hooks';
import { Footer } from './components/Footer';
import { Masthead } from './components/Masthead';
import { AccountPage } from './pages/AccountPage';
import { ArticlePage } from './pages/ArticlePage';
import { FrontPage } from './pages/FrontPage';
import { MissingPage } from './pages/MissingPage';
import { useReader } from './reader/store';
import { routeOf, usePath } from './router';

export function App() {
  const path = usePath();
  const reader = useReader();
  const route = routeOf(path);
  const main = useRef<HTMLElement>(null);
  const firstPath = useRef(path);

  // A new page is announced by moving the focus to it, but not on the first load.
  useEffect(() => {
    if (path === firstPath.current) return;
    firstPath.current = '';
    main.current?.focus({ preventScroll: true });
  }, [path]);

  return (
    <>
      <a class="skip" href="#page">
        Skip to the page
      </a>
      <Masthead reader={reader} small={route.page !== 'front'} />
      <main id="page" tabIndex={-1} ref={main}>
        {route.page === 'front' && <FrontPage key={reader.userId} reader={reader} />}
        {route.page === 'article' && (
          <ArticlePage key={`${route.id} ${reader.userId}`} id={route.id} reader={reader} />
        )}
        {route.page === 'account' && <AccountPage key={reader.userId} reader={reader} />}
        {route.page === 'missing' && <MissingPage />}
      </main>
      <Footer />
    </>
  );
}
