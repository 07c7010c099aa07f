/**
 * Types of the HTTP interface, in the shape that `openapi-typescript` prints (`npm run types` writes
 * `schema.ts` from `openapi.json`). This file names the schemas for the rest of the site, so that the
 * generated file can take the place of the `components` interface below without another change.
 */
export interface components {
  schemas: {
    /** One card of a slate. */
    Recommendation: {
      article_id: number;
      title: string;
      category: string;
      score?: number;
      /** Shown when it is there; the lead's is asked for with its article otherwise. */
      subtitle?: string;
      published_time?: string;
    };
    RecommendRequest: {
      user_id: string;
      k?: number;
      after?: string;
      article_id?: number;
      exclude?: number[];
      device_type?: number;
      explain?: boolean;
    };
    Slate: {
      user_id?: string;
      recommendations: components['schemas']['Recommendation'][];
      impression_id?: string;
      served_by?: string;
      /** False when `after` could not be waited for. */
      fresh?: boolean;
      model?: string;
    };
    RelatedSlate: components['schemas']['Slate'] & { article_id: number };
    Article: {
      article_id: number;
      title: string;
      subtitle?: string;
      body?: string;
      category: string;
      topics?: string[];
      /** RFC 3339. */
      published_time?: string;
    };
    Event: {
      user_id: string;
      article_id: number;
      /** Seconds in view so far. */
      read_time: number;
      /** Greatest share of the article seen so far, 0 to 100. */
      scroll_pct: number;
      /** 0 unknown, 1 mobile, 2 tablet, 3 desktop. */
      device_type: number;
      /** Pieces of one view share it, and amend one read. */
      view_id: string;
      /** Counts the pieces of a view from 1. */
      seq: number;
      /** The slate that led to this read. */
      impression_id?: string;
    };
    EventAccepted: { partition: number; offset: number; after?: string };
    HistoryEntry: {
      article_id: number;
      title?: string | null;
      category?: string | null;
      read_time?: number | null;
      scroll_pct?: number | null;
      timestamp?: string | null;
    };
    ReaderPage: {
      user_id: string;
      history: components['schemas']['HistoryEntry'][];
      recommendations?: components['schemas']['Recommendation'][];
    };
    ActiveReader: { user_id: string; reads: number; last_seen: string };
    /** RFC 9457. */
    Problem: { type?: string; title?: string; status?: number; detail?: string };
  };
}

type Schemas = components['schemas'];
export type Recommendation = Schemas['Recommendation'];
export type RecommendRequest = Schemas['RecommendRequest'];
export type Slate = Schemas['Slate'];
export type RelatedSlate = Schemas['RelatedSlate'];
export type Article = Schemas['Article'];
export type ReadEvent = Schemas['Event'];
export type EventAccepted = Schemas['EventAccepted'];
export type HistoryEntry = Schemas['HistoryEntry'];
export type ReaderPage = Schemas['ReaderPage'];
export type ActiveReader = Schemas['ActiveReader'];
export type Problem = Schemas['Problem'];
