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
export type ActiveReader = Schemas['ActiveReader'];
export type Problem = Schemas['Problem'];

type Event = Schemas['Event'];
/** What each piece of a read tells. */
type Told = 'article_id' | 'read_time' | 'scroll_pct' | 'device_type' | 'view_id' | 'seq';

/** The one kind of event that the paper sends itself: a piece of a read, with everything told. */
export type ReadEvent = Pick<Event, 'user_id'> & { [Field in Told]: NonNullable<Event[Field]> } & {
  impression_id?: string;
  /** When it happened, of what is told late. */
  timestamp?: string;
};

/** Who is signed in on this browser, by its cookie. */
export interface Session {
  user_id: string | null;
  expires: string | null;
  /** No keys are configured: anybody may take a name. */
  open: boolean;
  /** The demo accounts are offered here. */
  demo_readers: boolean;
}

/** A generated reader, with what a portrait needs. */
export interface DemoReader {
  user_id: string;
  reads: number;
  last_seen: string;
  /** Most read first. */
  sections: { category: string; reads: number }[];
  /** When most reads fall. */
  day: 'night' | 'morning' | 'afternoon' | 'evening' | null;
  /** 0 unknown, 1 mobile, 2 tablet, 3 desktop. */
  device_type: number;
  /** Seconds. */
  average_read_time: number | null;
  topics: string[];
}

/** A record of the log. */
export interface StoredEvent {
  offset: number;
  time: string;
  type: string;
  /** The reader asked since then to be forgotten. */
  forgotten?: boolean;
  event: Record<string, unknown>;
}

/** What the log holds of a reader. */
export interface StoredEvents {
  user_id: string;
  partition: number;
  topic: string;
  /** Newest first. */
  events: StoredEvent[];
  /** How many records were looked at. */
  searched: number;
  /** Older ones cannot exist. */
  complete: boolean;
}
