//! `sql`: DataFusion over the log and the state.
//!
//! Tables: `user_events` (the log, decoded), `readers`, `reads` (the last 50 of each reader), `article_counts` (added up over partitions),
//! `articles`, `impressions`.

use std::{collections::BTreeMap, sync::Arc};

use abovefold_engine::{log::RecordRun, source::read_to_end, state::Tag};
use abovefold_operators::{decode::Decode, fold::trends::HALF_LIVES_MS};
use abovefold_schemas::{
    ArticleVersion, Kept,
    batch::event_schema,
    keys::ValueName,
    records::Impression,
    state::{ArticleCounts, ReaderState},
};
use anyhow::Context;
use arrow::{
    array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, UInt64Array},
    json::LineDelimitedWriter,
    util::pretty::pretty_format_batches,
};
use datafusion::{datasource::MemTable, prelude::SessionContext};
use futures::TryStreamExt;

use crate::session::Session;

/// Runs one query and says its rows.
pub async fn run(session: &Session, query: &str, json: bool) -> anyhow::Result<()> {
    let context = SessionContext::new();
    // Only what the query names is read.
    let named = |table: &str| query.to_lowercase().contains(table);
    if named("user_events") {
        let mut batches = Vec::new();
        let mut decode = Decode::default();
        for run in runs(session, &session.edges.topics.user_events).await? {
            batches.push(decode.run(run).batch);
        }
        let table = MemTable::try_new(event_schema(), vec![batches])?;
        context.register_table("user_events", Arc::new(table))?;
    }
    if named("readers") || named("reads") || named("article_counts") {
        let state = State::scan(session).await?;
        context.register_batch("readers", state.readers()?)?;
        context.register_batch("reads", state.reads()?)?;
        context.register_batch("article_counts", state.counts()?)?;
    }
    if named("articles") {
        context.register_batch("articles", articles(session).await?)?;
    }
    if named("impressions") {
        context.register_batch("impressions", impressions(session).await?)?;
    }
    let batches = context
        .sql(query)
        .await
        .context("plan the query; the tables are user_events, readers, reads, article_counts, articles, impressions")?
        .collect()
        .await
        .context("run the query")?;
    if json {
        let mut writer = LineDelimitedWriter::new(Vec::new());
        writer.write_batches(&batches.iter().collect::<Vec<_>>())?;
        writer.finish()?;
        for line in String::from_utf8(writer.into_inner())?.lines() {
            session.output.line(line);
        }
    } else {
        session.output.line(pretty_format_batches(&batches)?.to_string());
    }
    Ok(())
}

async fn runs(session: &Session, topic: &str) -> anyhow::Result<Vec<RecordRun>> {
    Ok(read_to_end(session.edges.log.as_ref(), topic, &[]).await?.try_collect().await?)
}

fn table(columns: Vec<(&str, ArrayRef)>) -> anyhow::Result<RecordBatch> {
    Ok(RecordBatch::try_from_iter(columns)?)
}

fn texts<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn integers(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

fn counts(values: impl Iterator<Item = u64>) -> ArrayRef {
    Arc::new(UInt64Array::from_iter_values(values))
}

fn numbers(values: impl Iterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

/// All state of the namespace.
struct State {
    readers: Vec<(String, u32, ReaderState)>,
    articles: BTreeMap<i64, ArticleCounts>,
}

impl State {
    async fn scan(session: &Session) -> anyhow::Result<Self> {
        let namespace = session.readable_namespace().await?.name;
        let mut state = Self { readers: Vec::new(), articles: BTreeMap::new() };
        for partition in 0..session.edges.partitions {
            let tag = Tag { namespace: namespace.clone(), partition };
            let mut values = session.edges.store.scan(&tag);
            while let Some((key, value)) = values.try_next().await? {
                match ValueName::from_key(&key) {
                    Some(ValueName::Reader(reader)) => {
                        let kept = ReaderState::from_kept(&value.bytes)?;
                        state.readers.push((reader.as_str().to_owned(), partition, kept));
                    }
                    Some(ValueName::Article(article)) => {
                        let kept = ArticleCounts::from_kept(&value.bytes)?;
                        let sum = state.articles.entry(article.0).or_default();
                        sum.first_seen = if sum.reads == 0 {
                            kept.first_seen
                        } else {
                            sum.first_seen.min(kept.first_seen)
                        };
                        sum.reads += kept.reads;
                        add_decayed(sum, &kept);
                    }
                    _ => {}
                }
            }
        }
        Ok(state)
    }

    fn readers(&self) -> anyhow::Result<RecordBatch> {
        let rows = &self.readers;
        let last_seen = |state: &ReaderState| state.reads.iter().map(|read| read.time).max().unwrap_or(0);
        table(vec![
            ("user_id", texts(rows.iter().map(|(reader, _, _)| reader.as_str()))),
            ("partition", integers(rows.iter().map(|(_, partition, _)| i64::from(*partition)))),
            ("total_reads", counts(rows.iter().map(|(_, _, state)| state.total_reads))),
            ("last_seen", integers(rows.iter().map(|(_, _, state)| last_seen(state)))),
            ("device_type", integers(rows.iter().map(|(_, _, state)| i64::from(state.device_type)))),
        ])
    }

    fn reads(&self) -> anyhow::Result<RecordBatch> {
        let rows: Vec<_> = self
            .readers
            .iter()
            .flat_map(|(reader, _, state)| state.reads.iter().map(move |read| (reader, read)))
            .collect();
        table(vec![
            ("user_id", texts(rows.iter().map(|(reader, _)| reader.as_str()))),
            ("article_id", integers(rows.iter().map(|(_, read)| read.article_id))),
            ("time", integers(rows.iter().map(|(_, read)| read.time))),
            (
                "read_time",
                Arc::new(
                    rows.iter().map(|(_, read)| read.read_time.map(f64::from)).collect::<Float64Array>(),
                ),
            ),
            (
                "scroll_pct",
                Arc::new(
                    rows.iter().map(|(_, read)| read.scroll_pct.map(f64::from)).collect::<Float64Array>(),
                ),
            ),
            ("position", integers(rows.iter().map(|(_, read)| i64::from(read.position)))),
        ])
    }

    fn counts(&self) -> anyhow::Result<RecordBatch> {
        let rows = &self.articles;
        let decayed = |place: usize| {
            numbers(rows.values().map(move |counts| counts.decayed.get(place).copied().unwrap_or(0.0)))
        };
        table(vec![
            ("article_id", integers(rows.keys().copied())),
            ("reads", counts(rows.values().map(|counts| counts.reads))),
            ("first_seen", integers(rows.values().map(|counts| counts.first_seen))),
            ("last_seen", integers(rows.values().map(|counts| counts.time))),
            ("decayed_45m", decayed(3)),
            ("decayed_8h", decayed(4)),
            ("decayed_36h", decayed(5)),
        ])
    }
}

/// Adds partial sums, brought to the later of their two moments.
fn add_decayed(sum: &mut ArticleCounts, part: &ArticleCounts) {
    let moment = sum.time.max(part.time);
    sum.decayed.resize(HALF_LIVES_MS.len(), 0.0);
    for (place, half_life) in HALF_LIVES_MS.into_iter().enumerate() {
        let worth = |value: f64, time: i64| {
            value * abovefold_operators::fold::trends::decay(moment - time, half_life)
        };
        let of_part = worth(part.decayed.get(place).copied().unwrap_or(0.0), part.time);
        sum.decayed[place] = worth(sum.decayed[place], sum.time) + of_part;
    }
    sum.time = moment;
}

async fn articles(session: &Session) -> anyhow::Result<RecordBatch> {
    let mut latest: BTreeMap<i64, ArticleVersion> = BTreeMap::new();
    for run in runs(session, &session.edges.topics.articles).await? {
        for record in run.records {
            let version = ArticleVersion::from_kept(&record.value)?;
            latest.insert(version.article_id, version);
        }
    }
    let rows: Vec<&ArticleVersion> = latest.values().collect();
    table(vec![
        ("article_id", integers(rows.iter().map(|article| article.article_id))),
        ("title", texts(rows.iter().map(|article| article.title.as_str()))),
        ("category", texts(rows.iter().map(|article| article.category.as_str()))),
        ("published", integers(rows.iter().map(|article| article.published))),
        (
            "has_vector",
            Arc::new(rows.iter().map(|article| Some(!article.vector.is_empty())).collect::<BooleanArray>()),
        ),
        ("withdrawn", Arc::new(rows.iter().map(|article| Some(article.withdrawn)).collect::<BooleanArray>())),
    ])
}

async fn impressions(session: &Session) -> anyhow::Result<RecordBatch> {
    let mut rows = Vec::new();
    for run in runs(session, &session.edges.topics.impressions).await? {
        for record in run.records {
            rows.push(Impression::from_kept(&record.value)?);
        }
    }
    let shown: Vec<(&Impression, i64, i64)> = rows
        .iter()
        .flat_map(|slate| (1..).zip(&slate.shown).map(move |(rank, shown)| (slate, rank, shown.article_id)))
        .collect();
    table(vec![
        ("impression_id", texts(shown.iter().map(|(slate, _, _)| slate.impression_id.as_str()))),
        ("user_id", texts(shown.iter().map(|(slate, _, _)| slate.user_id.as_str()))),
        ("time", integers(shown.iter().map(|(slate, _, _)| slate.time))),
        ("served_by", texts(shown.iter().map(|(slate, _, _)| slate.served_by.as_str()))),
        ("arm", texts(shown.iter().map(|(slate, _, _)| slate.arm.as_str()))),
        ("rank", integers(shown.iter().map(|(_, rank, _)| *rank))),
        ("article_id", integers(shown.iter().map(|(_, _, article)| *article))),
    ])
}
