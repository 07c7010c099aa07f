import type { Plate } from './plate';
import { hash } from './rng';
import { atom, flask, globe, planet } from './motifs/cosmos';
import { hills, lighthouse, mountains, regatta, steamer } from './motifs/land';
import {
  balloon,
  chip,
  coins,
  fingerprint,
  football,
  leaf,
  mast,
  quill,
  record,
  stage,
  track,
} from './motifs/things';
import { ballot, book, bridge, bulb, rocket, scales, train, trophy, umbrella } from './motifs/symbols';
import { fair, lamp, parliament, rain, skyline, works } from './motifs/town';

export type Motif = (plate: Plate) => void;

interface Section {
  motifs: readonly Motif[];
  hue: number;
}

/** How many tints the palette has (`art-hue-0` and on in art.css). */
export const HUES = 6;
const [OCHRE, BRICK, SLATE, SAGE, PLUM, TEAL] = [0, 1, 2, 3, 4, 5];

/** Sections by words in their names: English, the codes of EB-NeRD, and its Danish names. The first that fits is taken. */
const SECTIONS: readonly (readonly [RegExp, Section])[] = [
  [/weather|vejr|climate/i, { motifs: [rain, fair, umbrella, lighthouse, regatta, mountains], hue: SLATE }],
  [/crime|crm|krimi|court|justice/i, { motifs: [lamp, fingerprint, scales, skyline, book], hue: BRICK }],
  [/sport|spt|football|fodbold/i, { motifs: [football, regatta, track, trophy], hue: SAGE }],
  [/science|videnskab|space/i, { motifs: [planet, atom, flask, rocket, bulb, leaf], hue: TEAL }],
  [/tech|digital|\bit\b|innovation/i, { motifs: [chip, mast, bulb, atom, rocket], hue: SLATE }],
  [/business|econom|finan|pfi|money|penge|market|job/i, { motifs: [coins, works, steamer, train, skyline], hue: OCHRE }],
  [/cultur|kultur|\bent\b|entertain|underholdning|music|musik|film|arts?\b|theat|celeb|tv/i, { motifs: [stage, record, book, quill], hue: PLUM }],
  [/politi|government|election|\bpol\b/i, { motifs: [parliament, ballot, quill, scales, bridge], hue: BRICK }],
  [/world|foreign|udland|international/i, { motifs: [globe, steamer, bridge, mountains, train], hue: OCHRE }],
  [/health|sundhed|medic/i, { motifs: [leaf, flask, hills, mountains], hue: SAGE }],
  [/travel|rejse|ferie|leisure|forbrug|biler|motor/i, { motifs: [balloon, mountains, train], hue: TEAL }],
  [/nature|environment|garden|klima|food|mad/i, { motifs: [leaf, mountains, hills], hue: SAGE }],
  [/opinion|debat|letters|editorial/i, { motifs: [quill], hue: PLUM }],
  [/local|city|nws|news|nyheder|indland|home|nation/i, { motifs: [skyline, lighthouse, bridge, train, parliament], hue: OCHRE }],
];

const OTHERS: readonly Motif[] = [hills, lighthouse, mountains, skyline, balloon, quill, bridge];

/** What may be drawn for a section, and its tint. An unknown one keeps a tint of its own. */
export function motifsOf(category: string): Section {
  const known = SECTIONS.find(([pattern]) => pattern.test(category));
  return known ? known[1] : { motifs: OTHERS, hue: hash(category) % HUES };
}
