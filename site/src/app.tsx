import { useEffect, useRef } from 'preact/hooks';
import { Footer } from './components/Footer';
import { Masthead } from './components/Masthead';
import { AccountPage } from './pages/AccountPage';
import { ArticlePage } from './pages/ArticlePage';
import { FrontPage } from './pages/FrontPage';
import { MissingPage } from './pages/MissingPage';
import { SearchPage } from './pages/SearchPage';
import { SectionPage } from './pages/SectionPage';
import { SidePage } from './pages/SidePage';
import { useReader } from './reader/store';
import type { Reader } from './reader/store';
import { routeOf, useAddress } from './router';
import type { Route } from './router';
import { useWords } from './text/language';

export function App() {
  const address = useAddress();
  const reader = useReader();
  const { paper } = useWords();
  const route = routeOf(address);
  const main = useRef<HTMLElement>(null);
  const first = useRef(address);

  // A new page is announced by moving the focus to it, but not on the first load.
  useEffect(() => {
    if (address === first.current) return;
    first.current = '';
    main.current?.focus({ preventScroll: true });
  }, [address]);

  return (
    <>
      <a class="skip" href="#page">
        {paper.skip}
      </a>
      <Masthead reader={reader} small={route.page !== 'front'} section={route.page === 'section' ? route.name : undefined} />
      <main id="page" tabIndex={-1} ref={main}>
        <Page route={route} reader={reader} />
      </main>
      <Footer />
    </>
  );
}

/** Keyed by what it is about, so that another reader's page, or another article, begins anew. */
function Page({ route, reader }: { route: Route; reader: Reader }) {
  switch (route.page) {
    case 'front':
      return <FrontPage key={reader.userId} reader={reader} />;
    case 'article':
      return <ArticlePage key={`${route.id} ${reader.userId}`} id={route.id} reader={reader} />;
    case 'section':
      return <SectionPage key={`${route.name} ${reader.userId}`} name={route.name} reader={reader} />;
    case 'search':
      return <SearchPage typed={route.typed} />;
    case 'account':
      return <AccountPage key={reader.userId} reader={reader} />;
    case 'side':
      return <SidePage />;
    case 'missing':
      return <MissingPage />;
  }
}
