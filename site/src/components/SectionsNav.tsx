import { useEffect, useRef } from 'preact/hooks';
import { articlesOf } from '../api/client';
import { rememberSections, useSections } from '../reader/sections';
import { navigate, searchPath, sectionPath } from '../router';
import { useWords } from '../text/language';

/** Enough articles to have met the sections of a paper. */
const ENOUGH = 100;
const FEW_SECTIONS = 4;

/** The sections of the paper in one line, and the search. */
export function SectionsNav({ open }: { open: string | undefined }) {
  const { paper } = useWords();
  const sections = useSections();
  const field = useRef<HTMLInputElement>(null);

  useEffect(() => {
    if (sections.length < FEW_SECTIONS) articlesOf({ limit: ENOUGH }).then(rememberSections, () => undefined);
  }, []);

  return (
    <div class="sections-bar">
      <nav class="sections-nav" aria-label={paper.sections}>
        <ul>
          {sections.map((name) => (
            <li key={name}>
              <a href={sectionPath(name)} aria-current={name === open ? 'page' : undefined}>
                {name}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <form
        class="search-form"
        role="search"
        action="/search"
        onSubmit={(event) => {
          event.preventDefault();
          const typed = field.current?.value.trim() ?? '';
          navigate(searchPath(typed));
          if (field.current) field.current.value = '';
        }}
      >
        <input ref={field} type="search" name="q" aria-label={paper.search} placeholder={paper.search} maxLength={100} autocomplete="off" />
      </form>
    </div>
  );
}
