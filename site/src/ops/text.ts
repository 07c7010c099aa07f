import { da } from './text/da';
import { en } from './text/en';

/** Another language is one more file and one more line here. */
const LANGUAGES: Record<string, typeof en> = { en, da };

const asked = (globalThis.navigator?.languages ?? []).map((language) => language.slice(0, 2)).find((language) => language in LANGUAGES);

/** The page's language: the first of the browser's that it knows. */
export const language = asked ?? 'en';

/** Every text of the page. */
export const words = LANGUAGES[language] ?? en;
