/** The shapes of the HTTP interface, by the names that the site uses. `schema.ts` is generated from `openapi.json`. */
import type { components } from './schema';

type Schemas = components['schemas'];

export type Recommendation = Schemas['Recommendation'];
export type RecommendRequest = Schemas['RecommendRequest'];
export type Slate = Schemas['Slate'];
export type Article = Schemas['Article'];
export type Card = Schemas['Card'];
export type EventAccepted = Schemas['EventAccepted'];
export type HistoryEntry = Schemas['HistoryEntry'];
export type ReaderPage = Schemas['ReaderPage'];
export type Problem = Schemas['Problem'];
export type Session = Schemas['Session'];
export type DemoReader = Schemas['Portrait'];
export type Section = Schemas['Section'];
export type StoredEvents = Schemas['StoredEvents'];

type Event = Schemas['Event'];
/** What each piece of a read tells. */
type Told = 'article_id' | 'read_time' | 'scroll_pct' | 'device_type' | 'view_id' | 'seq';

/** The one kind of event that the paper sends itself: a piece of a read, with everything told. */
export type ReadEvent = Pick<Event, 'user_id'> & { [Field in Told]: NonNullable<Event[Field]> } & {
  impression_id?: string;
  /** When it happened, of what is told late. */
  timestamp?: string;
};
