//! Readers to try the paper as: a few of those that a data folder brought, with a short portrait of each, made from their state.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use abovefold_operators::{articles::Article, query::Query};
use abovefold_schemas::{
    ArticleId, ReaderId, Timestamp,
    state::{ActiveReader, Read, ReaderState},
};
use axum::{
    Json,
    extract::{Query as Asked, State},
    http::StatusCode,
};
use futures::future::join_all;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    App,
    fields::{self, Parameters},
    problem::Problem,
    readers::{TITLES, titles},
};

/// The most readers that are shown.
pub(super) const MOST: usize = 20;
/// Readers that are looked at for each that is shown, so that tastes differ.
const CHOICE: usize = 4;
/// Of a reader's reads, the last ones that a portrait is made from.
const READS: usize = 30;
/// Sections that a portrait names.
const SECTIONS: usize = 3;
const MILLIS_OF_AN_HOUR: i64 = 3_600_000;

/// A reader to try the paper as.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Portrait {
    user_id: String,
    /// All its reads.
    reads: u64,
    /// RFC 3339.
    last_seen: String,
    /// What it read most of late, most first; at most three.
    sections: Vec<SectionReads>,
    /// When it reads most, in UTC: `night` (from 0 o'clock), `morning` (6), `afternoon` (12) or `evening` (18).
    #[schema(required = true)]
    day: Option<&'static str>,
    /// 0 unknown, 1 mobile, 2 tablet, 3 desktop.
    device_type: u32,
    /// Seconds; null where none of the last reads says.
    #[schema(required = true)]
    average_read_time: Option<f64>,
    /// Topics that it chose.
    topics: Vec<String>,
}

/// A section, and how many of a reader's last reads were in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct SectionReads {
    category: String,
    reads: usize,
}

/// Readers of the data folder to try the paper as, with different tastes. Only where the program runs open, or `http.demo_readers` says so.
#[utoipa::path(get, path = "/readers/demo", tag = "reading",
    params(("limit" = Option<u32>, Query, description = "How many, at most 20; 6 unless told otherwise")),
    responses((status = 200, description = "None where nobody has read yet", body = [Portrait]),
        (status = 403, description = "They are not shown here", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn demo_readers(
    State(app): State<Arc<App>>,
    Asked(parameters): Parameters,
) -> Result<Json<Vec<Portrait>>, Problem> {
    let limit = fields::number(&parameters, "limit", 1..=MOST, 6)?;
    if !app.guard.shows_demo_readers() {
        let detail =
            "readers to try are shown where no keys are configured, or where http.demo_readers is true";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    let seen = app.seen();
    let mut known = seen.query.active_readers(usize::MAX);
    // Readers of a data folder have numbers; a name was given by somebody who is reading.
    known.retain(|reader| reader.user_id.bytes().all(|byte| byte.is_ascii_digit()));
    known.truncate(limit * CHOICE);
    let states = known.iter().map(|reader| state_of(&seen.query, reader));
    let states = join_all(states).await;
    let known: Vec<(ActiveReader, ReaderState)> = known
        .iter()
        .cloned()
        .zip(states)
        .filter_map(|(reader, state)| Some((reader, state?)))
        .filter(|(_, state)| !state.reads.is_empty())
        .collect();
    let reads: Vec<Read> = known.iter().flat_map(|(_, state)| last_reads(state)).cloned().collect();
    let articles = titles(&app, &reads, TITLES).await;
    let portraits = known.into_iter().map(|(reader, state)| portrait(reader, state, &articles)).collect();
    Ok(Json(chosen(portraits, limit)))
}

/// What is known of a reader; nothing where it cannot be read now.
async fn state_of(query: &Query, reader: &ActiveReader) -> Option<ReaderState> {
    let id = ReaderId::new(reader.user_id.clone()).ok()?;
    query.reader(&id).await.ok()?.state
}

fn last_reads(state: &ReaderState) -> &[Read] {
    &state.reads[state.reads.len().saturating_sub(READS)..]
}

fn portrait(
    reader: ActiveReader,
    state: ReaderState,
    articles: &BTreeMap<ArticleId, Arc<Article>>,
) -> Portrait {
    let reads = last_reads(&state);
    let section =
        |read: &Read| articles.get(&ArticleId(read.article_id)).map(|it| it.version.category.clone());
    let sections = most(reads.iter().filter_map(section).filter(|section| !section.is_empty()));
    let day = most(reads.iter().map(|read| part_of_day(read.time))).first().map(|(day, _)| *day);
    let times: Vec<f64> = reads.iter().filter_map(|read| read.read_time).map(f64::from).collect();
    let average = times.iter().sum::<f64>() / times.len().max(1) as f64;
    Portrait {
        user_id: reader.user_id,
        reads: state.total_reads.max(reader.reads),
        last_seen: Timestamp(reader.last_seen).to_rfc3339(),
        sections: sections
            .into_iter()
            .take(SECTIONS)
            .map(|(category, reads)| SectionReads { category, reads })
            .collect(),
        day,
        device_type: state.device_type,
        average_read_time: (!times.is_empty() && average.is_finite())
            .then(|| (average * 10.0).round() / 10.0),
        topics: state.topics,
    }
}

fn part_of_day(millis: i64) -> &'static str {
    ["night", "morning", "afternoon", "evening"]
        [millis.div_euclid(MILLIS_OF_AN_HOUR).rem_euclid(24) as usize / 6]
}

/// What occurs how often, most often first, and otherwise in the order of the things themselves.
fn most<T: Ord>(things: impl Iterator<Item = T>) -> Vec<(T, usize)> {
    let mut counts = BTreeMap::new();
    things.for_each(|thing| *counts.entry(thing).or_insert(0) += 1);
    let mut counts: Vec<(T, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}

/// So many of them: first one for each favourite section, those who read more before those who read less, then the others.
fn chosen(mut portraits: Vec<Portrait>, limit: usize) -> Vec<Portrait> {
    portraits.sort_by(|one, other| other.reads.cmp(&one.reads).then_with(|| one.user_id.cmp(&other.user_id)));
    let mut favourites = BTreeSet::new();
    let is_first = |portrait: &Portrait| match portrait.sections.first() {
        Some(section) => favourites.insert(section.category.clone()),
        None => false,
    };
    let (mut first, others): (Vec<_>, Vec<_>) = portraits.into_iter().partition(is_first);
    first.extend(others);
    first.truncate(limit);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(user_id: &str, reads: u64, favourite: &str) -> Portrait {
        let sections = vec![SectionReads { category: favourite.into(), reads: 1 }];
        Portrait {
            user_id: user_id.into(),
            reads,
            last_seen: String::new(),
            sections,
            day: None,
            device_type: 0,
            average_read_time: None,
            topics: Vec::new(),
        }
    }

    #[test]
    fn tastes_differ_before_anything_is_there_twice() {
        let all = vec![of("1", 9, "World"), of("2", 8, "World"), of("3", 1, "Sport"), of("4", 2, "Sport")];
        let ids = |limit| -> Vec<String> {
            chosen(all.clone(), limit).into_iter().map(|portrait| portrait.user_id).collect()
        };
        assert_eq!(ids(2), ["1", "4"]);
        assert_eq!(ids(3), ["1", "4", "2"]);
        assert_eq!(ids(9), ["1", "4", "2", "3"]);
    }

    #[test]
    fn a_day_has_four_parts() {
        let at = |hour: i64| part_of_day(1_704_067_200_000 + hour * MILLIS_OF_AN_HOUR);
        assert_eq!(
            [0, 5, 6, 12, 18, 23].map(at),
            ["night", "night", "morning", "afternoon", "evening", "evening"]
        );
        assert_eq!(part_of_day(-1), "evening");
    }
}
