import { describe, expect, it } from 'vitest';
import { routeOf, searchPath, sectionPath } from './router';

describe('an address', () => {
  it('names a page', () => {
    expect(routeOf('/')).toEqual({ page: 'front' });
    expect(routeOf('/article/9776234')).toEqual({ page: 'article', id: 9_776_234 });
    expect(routeOf('/account/')).toEqual({ page: 'account' });
    expect(routeOf('/side-by-side')).toEqual({ page: 'side' });
    expect(routeOf('/search?q=night+ferries%20')).toEqual({ page: 'search', typed: 'night ferries' });
    expect(routeOf('/search')).toEqual({ page: 'search', typed: '' });
  });

  it('keeps a name through its path, whatever is in it', () => {
    for (const name of ['World', 'Privatøkonomi & Penge', 'A/B?C#D', '100 %']) {
      expect(routeOf(sectionPath(name))).toEqual({ page: 'section', name });
      expect(routeOf(searchPath(name))).toEqual({ page: 'search', typed: name });
    }
  });

  it('is of no page when it is odd', () => {
    for (const odd of ['/article/abc', '/article/', '/section/', '/section/a/b', '/section/%E0%A4%A', '/nowhere']) {
      expect(routeOf(odd)).toEqual({ page: 'missing' });
    }
  });
});
