//! The three edges of a process, opened by URL, with the topics that they need.

use std::sync::Arc;

use abovefold_engine::{log::Log, state::StateStore};
use abovefold_operators::{articles::ArticleIndex, pipeline::Topics};
use anyhow::Context;

use crate::config::Config;

/// Topics whose records are in one order have one partition: namespaces, and what was learned.
const ONE_PARTITION: u32 = 1;

/// Log, state and articles.
#[derive(Clone, Debug)]
pub struct Edges {
    pub log: Arc<dyn Log>,
    pub store: Arc<dyn StateStore>,
    pub articles: Arc<dyn ArticleIndex>,
    pub topics: Topics,
    /// Partitions of the events.
    pub partitions: u32,
}

impl Edges {
    /// Opens all three and makes the topics that are missing.
    ///
    /// # Errors
    /// One line: what was tried, on what, and what to do.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        let topics = config.topics()?;
        let settings = config.log_settings();
        let url = config.log_url();
        let log = tokio::task::spawn_blocking(move || abovefold_engine::log::open(&url, &settings))
            .await
            .context("open the log")??;
        let partitions = make_topics(log.as_ref(), &topics, config.topics.partitions).await?;
        let store =
            reached(abovefold_engine::state::open(&config.state_url(), &config.state_settings()).await)?;
        let articles = reached(
            abovefold_operators::articles::open(&config.articles_url(), &config.article_settings()).await,
        )?;
        Ok(Self { log, store, articles, topics, partitions })
    }
}

/// Adds a way out where a server did not answer.
///
/// # Errors
/// The answer's own.
pub fn reached<T>(answer: abovefold_engine::Result<T>) -> anyhow::Result<T> {
    answer.map_err(|error| {
        if error.retry {
            anyhow::anyhow!("{error}; is it up, and is the address right?")
        } else {
            error.into()
        }
    })
}

/// Makes what is missing and returns the number of partitions of the events.
async fn make_topics(log: &dyn Log, topics: &Topics, partitions: u32) -> anyhow::Result<u32> {
    for topic in [&topics.articles, &topics.impressions, &topics.dead_letters] {
        log.create_topic(topic, partitions).await?;
    }
    for topic in [&topics.namespaces, &topics.learned] {
        log.create_topic(topic, ONE_PARTITION).await?;
    }
    Ok(log.create_topic(&topics.user_events, partitions).await?)
}
