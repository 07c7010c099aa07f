//! The trends in memory: a mirror of what the folds of all partitions counted, merged.
//!
//! It asks each partition what changed since the marker that it saw last, so that a request needs no round trip for it.
//! "Now" is the namespace's watermark and never the wall clock, so that a replayed past has its own trends.

mod levels;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use abovefold_engine::{
    Result, Runtime,
    state::{StateStore, Tag},
};
use abovefold_schemas::{
    ArticleId, Kept, KeptError, Offset, Timestamp,
    keys::ValueName,
    state::{ActiveReader, ArticleCounts, PartitionSummary},
};

use self::levels::Levels;
use super::{QuerySettings, metrics};
use crate::articles::{Article, ArticleIndex};

/// How long a partition may take to say what changed.
const LIMIT: Duration = Duration::from_secs(5);
/// After this time, articles in memory are asked for again, since they may have been withdrawn or rewritten.
const ARTICLES_OLD_MS: i64 = 10_000;
/// Readers in the merged list of those seen last.
const ACTIVE_READERS: usize = 100;

/// An article that is read much.
#[derive(Clone, Debug, PartialEq)]
pub struct Trend {
    /// The article; never a withdrawn one.
    pub article: Arc<Article>,
    /// Its decayed reads as a share of those of the first.
    pub share: f32,
}

/// The trends as of one refresh.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// The greatest watermark of all partitions; `None` where nothing was folded.
    pub now: Option<Timestamp>,
    /// The articles read most, first the most read.
    pub top: Vec<Trend>,
    /// The readers seen last, latest first.
    pub active: Vec<ActiveReader>,
    /// For each partition the first offset that is not counted in.
    pub markers: Vec<Offset>,
}

/// The mirror. Everything is read from its [`View`]; [`Trending::refresh`] replaces that.
#[derive(Debug)]
pub struct Trending {
    runtime: Runtime,
    tags: Vec<Tag>,
    store: Arc<dyn StateStore>,
    articles: Arc<dyn ArticleIndex>,
    pool: usize,
    /// Taken by one refresh at a time, over its calls.
    mirror: tokio::sync::Mutex<Mirror>,
    view: Mutex<Arc<View>>,
}

#[derive(Debug)]
struct Mirror {
    levels: Levels,
    partitions: Vec<Partition>,
    articles: BTreeMap<ArticleId, Arc<Article>>,
    looked_up: Option<Timestamp>,
}

#[derive(Clone, Debug, Default)]
struct Partition {
    since: Offset,
    summary: Option<PartitionSummary>,
}

impl Trending {
    /// An empty mirror of the partitions of `tags`, whose place in the list is their number.
    pub fn new(
        runtime: Runtime,
        tags: Vec<Tag>,
        store: Arc<dyn StateStore>,
        articles: Arc<dyn ArticleIndex>,
        settings: &QuerySettings,
    ) -> Self {
        let mirror = Mirror {
            levels: Levels::new(tags.len(), settings.trend_half_life),
            partitions: vec![Partition::default(); tags.len()],
            articles: BTreeMap::new(),
            looked_up: None,
        };
        let nothing = View { markers: vec![Offset(0); tags.len()], ..View::default() };
        let (mirror, view) = (tokio::sync::Mutex::new(mirror), Mutex::new(Arc::new(nothing)));
        Self { runtime, tags, store, articles, pool: settings.trending_pool, mirror, view }
    }

    /// The trends as of the last refresh.
    pub fn view(&self) -> Arc<View> {
        // A view is replaced as a whole: a panic elsewhere leaves no half of one.
        self.view.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts a task that refreshes until nobody else holds the mirror.
    pub fn keep_fresh(this: &Arc<Self>, every: Duration) {
        let (weak, runtime) = (Arc::downgrade(this), this.runtime.clone());
        this.runtime.spawn(async move {
            while let Some(trending) = weak.upgrade() {
                trending.refresh().await;
                drop(trending);
                runtime.sleep(every).await;
            }
        });
    }

    /// Asks all partitions what changed. What cannot be had now stays as it was until the next refresh.
    pub async fn refresh(&self) {
        let mut mirror = self.mirror.lock().await;
        let asked =
            self.tags.iter().zip(&mirror.partitions).map(|(tag, partition)| self.ask(tag, partition.since));
        let answers = futures::future::join_all(asked).await;
        let mut changed = false;
        for (place, answer) in answers.into_iter().enumerate() {
            match answer {
                Ok(news) => changed |= mirror.take_in(place, news),
                Err(reason) => tracing::debug!(tag = %self.tags[place], %reason, "trends stay as they were"),
            }
        }
        let now = self.runtime.now();
        let old = mirror.looked_up.is_none_or(|then| now.millis_since(then) > ARTICLES_OLD_MS);
        if !changed && !old {
            return;
        }
        let top = mirror.levels.top(self.pool);
        self.look_up(&mut mirror, &top, old).await;
        let view = mirror.view(&top);
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
        ::metrics::counter!(metrics::TRENDS_REFRESHED).increment(1);
    }

    /// Everything of a partition that changed since an offset; all of it where the store went back behind that.
    async fn ask(&self, tag: &Tag, since: Offset) -> std::result::Result<News, String> {
        let asked = async {
            let changes = self.store.changed_since(tag, since).await?;
            let next = changes.marker.map_or(Offset(0), |marker| marker.next);
            if next >= since {
                return Ok(News { next, afresh: false, values: changes.values });
            }
            let all = self.store.changed_since(tag, Offset(0)).await?;
            let next = all.marker.map_or(Offset(0), |marker| marker.next);
            Ok(News { next, afresh: true, values: all.values })
        };
        let asked: Result<News> =
            self.runtime.timeout(LIMIT, asked).await.ok_or_else(|| "no answer within 5 s".to_string())?;
        asked.map_err(|error| error.to_string())
    }

    async fn look_up(&self, mirror: &mut Mirror, top: &[(ArticleId, f64)], all: bool) {
        let missing = top.iter().map(|(id, _)| *id).filter(|id| all || !mirror.articles.contains_key(id));
        let ids: Vec<ArticleId> = missing.collect();
        if !ids.is_empty() {
            match self.runtime.timeout(LIMIT, self.articles.get(&ids)).await {
                Some(Ok(found)) => {
                    for (id, article) in ids.into_iter().zip(found) {
                        match article {
                            Some(article) => mirror.articles.insert(id, article),
                            None => mirror.articles.remove(&id),
                        };
                    }
                }
                // What is in memory is what serves while the edge is down.
                Some(Err(error)) => return tracing::debug!(%error, "articles in memory stay as they were"),
                None => return tracing::debug!("articles in memory stay as they were: no answer within 5 s"),
            }
        }
        if all {
            mirror.looked_up = Some(self.runtime.now());
        }
        let wanted: std::collections::BTreeSet<ArticleId> = top.iter().map(|(id, _)| *id).collect();
        mirror.articles.retain(|id, _| wanted.contains(id));
    }
}

/// What a partition said.
struct News {
    next: Offset,
    afresh: bool,
    values: Vec<(bytes::Bytes, Option<abovefold_engine::state::Value>)>,
}

impl Mirror {
    /// Returns whether anything is different now.
    fn take_in(&mut self, place: usize, news: News) -> bool {
        if news.afresh {
            self.levels.forget(place);
            self.partitions[place].summary = None;
        }
        let changed = news.afresh || !news.values.is_empty() || self.partitions[place].since != news.next;
        self.partitions[place].since = news.next;
        for (key, value) in news.values {
            let bytes = value.as_ref().map(|value| value.bytes.as_ref());
            let taken = match ValueName::from_key(&key) {
                Some(ValueName::Article(article)) => decode::<ArticleCounts>(bytes)
                    .map(|counts| self.levels.set(article, place, counts.as_ref())),
                Some(ValueName::Summary) => {
                    decode(bytes).map(|summary| self.partitions[place].summary = summary)
                }
                _ => Ok(()),
            };
            if let Err(error) = taken {
                tracing::warn!(partition = place, %error, "a mirrored value is left out");
            }
        }
        changed
    }

    fn view(&self, top: &[(ArticleId, f64)]) -> View {
        let first = top.first().map_or(0.0, |(_, level)| *level);
        let trend = |(id, level): &(ArticleId, f64)| {
            let article = self.articles.get(id)?.clone();
            (!article.version.withdrawn).then(|| Trend { article, share: (level - first).exp2() as f32 })
        };
        let summaries = || self.partitions.iter().filter_map(|partition| partition.summary.as_ref());
        let mut active: Vec<ActiveReader> =
            summaries().flat_map(|summary| summary.active.iter().cloned()).collect();
        active.sort_by(|a, b| b.last_seen.cmp(&a.last_seen).then_with(|| a.user_id.cmp(&b.user_id)));
        active.truncate(ACTIVE_READERS);
        View {
            now: summaries().map(|summary| Timestamp(summary.watermark)).max(),
            top: top.iter().filter_map(trend).collect(),
            active,
            markers: self.partitions.iter().map(|partition| partition.since).collect(),
        }
    }
}

fn decode<T: Kept>(bytes: Option<&[u8]>) -> std::result::Result<Option<T>, KeptError> {
    bytes.map(T::from_kept).transpose()
}
