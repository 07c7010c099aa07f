import { useEffect, useRef } from 'preact/hooks';
import { sections as askSections } from '../api/client';
import { learnSections, useSections } from '../reader/sections';
import { navigate, searchPath, sectionPath } from '../router';
import { useWords } from '../text/language';

/** The sections of the paper in one line, and the search. */
export function SectionsNav({ open }: { open: string | undefined }) {
  const { paper } = useWords();
  const sections = useSections();
  const field = useRef<HTMLInputElement>(null);

  useEffect(() => {
    askSections().then((known) => learnSections(known.map(({ category }) => category)), () => undefined);
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
