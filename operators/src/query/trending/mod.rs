//! The trends in memory: a mirror of what the folds of all partitions counted, merged.
//!
//! It asks each partition what changed since the marker that it saw last, so that a request needs no round trip for it. Beside what trends it
//! keeps the [`Counts`] of all articles that somebody read within seven days, which the ranker's columns are read off.
//! "Now" is the namespace's watermark and never the wall clock, so that a replayed past has its own trends.

mod levels;

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard},
    time::Duration,
};

use abovefold_engine::{
    Result, Runtime,
    state::{StateStore, Tag, Value},
};
use abovefold_schemas::{
    ArticleId, Kept, KeptError, Offset, Timestamp,
    keys::ValueName,
    state::{ActiveReader, AlsoRead, ArticleCounts, PartitionSummary},
};
use bytes::Bytes;

use self::levels::Levels;
use super::{QuerySettings, metrics};
use crate::{
    articles::{Article, ArticleIndex},
    features::{
        CountsTable,
        retrieval::{POPULAR_HALF_LIFE, prior_of},
    },
};

/// How long a partition may take to say what changed.
const LIMIT: Duration = Duration::from_secs(5);
/// After this time, articles in memory are asked for again, since they may have been withdrawn or rewritten.
const ARTICLES_OLD_MS: i64 = 10_000;
/// How much later the log has to be before articles that expired are dropped again: an hour.
const SWEEP_EVERY_MS: i64 = 3_600_000;
/// Readers in the merged list of those seen last.
const ACTIVE_READERS: usize = 100;

/// An article that is read much.
#[derive(Clone, Debug, PartialEq)]
pub struct Trend {
    /// The article; never a withdrawn one.
    pub article: Arc<Article>,
    /// Its decayed reads as a share of those of the first.
    pub share: f32,
    /// What it is worth to the learned search before anything is known of the reader: [`prior_of`] its reads as of the refresh.
    pub prior: f32,
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
    /// For each partition its watermark; `None` where nothing was folded.
    pub watermarks: Vec<Option<Timestamp>>,
}

/// The counts of all articles as of one refresh, and what they cover.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// The counts.
    pub table: CountsTable,
    /// The greatest watermark of all partitions; `None` where nothing was folded.
    pub now: Option<Timestamp>,
    /// For each partition the first offset that is not counted in.
    pub markers: Vec<Offset>,
}

/// The mirror. Everything is read from its [`View`] and its [`Counts`]; [`Trending::refresh`] replaces the one and brings the other up to date.
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
    /// Held for no longer than what changed takes to be put in, or the columns of one request to be read off.
    counts: RwLock<Counts>,
}

#[derive(Debug)]
struct Mirror {
    levels: Levels,
    partitions: Vec<Partition>,
    articles: BTreeMap<ArticleId, Arc<Article>>,
    looked_up: Option<Timestamp>,
    /// When articles that had expired were dropped last, in log time.
    swept: Option<Timestamp>,
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
            swept: None,
        };
        let markers = vec![Offset(0); tags.len()];
        let counts = Counts { table: CountsTable::new(tags.len()), now: None, markers: markers.clone() };
        let nothing = View { markers, ..View::default() };
        let (mirror, view) = (tokio::sync::Mutex::new(mirror), Mutex::new(Arc::new(nothing)));
        let counts = RwLock::new(counts);
        Self { runtime, tags, store, articles, pool: settings.trending_pool, mirror, view, counts }
    }

    /// The counts as of the last refresh. Not to be held over an await.
    pub fn counts(&self) -> RwLockReadGuard<'_, Counts> {
        // A panic of whoever wrote leaves a count too old, which the next refresh mends.
        self.counts.read().unwrap_or_else(PoisonError::into_inner)
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
        let asked = mirror.partitions.iter().enumerate().map(|(place, known)| self.ask(place, known.since));
        let answers = futures::future::join_all(asked).await;
        let mut changed = Vec::new();
        for (place, answer) in answers.into_iter().enumerate() {
            match answer {
                Ok(news) => changed.extend(mirror.take_in(place, news)),
                Err(reason) => tracing::debug!(tag = %self.tags[place], %reason, "trends stay as they were"),
            }
        }
        let is_news = !changed.is_empty();
        self.count(&mut mirror, changed);
        let now = self.runtime.now();
        let old = mirror.looked_up.is_none_or(|then| now.millis_since(then) > ARTICLES_OLD_MS);
        if !is_news && !old {
            return;
        }
        let top = mirror.levels.top(self.pool);
        self.look_up(&mut mirror, &top, old).await;
        let view = mirror.view(&top, &self.counts());
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
        ::metrics::counter!(metrics::TRENDS_REFRESHED).increment(1);
    }

    /// Puts what changed into the counts, all of it at once.
    fn count(&self, mirror: &mut Mirror, changed: Vec<Changed>) {
        if changed.is_empty() {
            return;
        }
        let now = mirror.now();
        let mut counts = self.counts.write().unwrap_or_else(PoisonError::into_inner);
        for Changed { place, afresh, also_read, counted } in changed {
            if afresh {
                counts.table.forget(place);
            }
            also_read.into_iter().for_each(|(article, of)| counts.table.set_also_read(place, article, of));
            counted.into_iter().for_each(|(article, of)| counts.table.set(place, article, of));
        }
        (counts.now, counts.markers) = (now, mirror.markers());
        if let Some(now) = now
            && mirror.swept.is_none_or(|then| now.millis_since(then) >= SWEEP_EVERY_MS)
        {
            counts.table.expire(now);
            mirror.swept = Some(now);
            mirror.levels.retain(|article| counts.table.contains(article));
        }
    }

    /// Everything of a partition that changed since an offset; all of it where the store went back behind that.
    async fn ask(&self, place: usize, since: Offset) -> std::result::Result<News, String> {
        let tag = &self.tags[place];
        let asked = async {
            let mut changes = self.store.changed_since(tag, since).await?;
            let next = changes.marker.map_or(Offset(0), |marker| marker.next);
            if next >= since {
                if since > Offset(0) {
                    changes.values.extend(self.also_read_of_new(place, &changes.values).await?);
                }
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

    /// What was read after articles that changed and are not in memory, where it did not change with them: such an article had expired.
    async fn also_read_of_new(&self, place: usize, changed: &[Named]) -> Result<Vec<Named>> {
        let is_there: HashSet<&Bytes> = changed.iter().map(|(key, _)| key).collect();
        let missing = |key: &Bytes| match ValueName::from_key(key)? {
            ValueName::Article(article) if !self.counts().table.contains_in(place, article) => {
                Some(ValueName::AlsoRead(article).to_key())
            }
            _ => None,
        };
        let keys = changed.iter().filter_map(|(key, _)| missing(key));
        let keys: Vec<Bytes> = keys.filter(|key| !is_there.contains(key)).collect();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        // It may be of a later moment than what changed: it says how many follow-ups it has.
        let snapshot = self.store.read(&self.tags[place], &keys, &[]).await?;
        Ok(keys.into_iter().zip(snapshot.values).collect())
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

/// A key, and its value; `None` where it was removed.
type Named = (Bytes, Option<Value>);

/// What a partition said.
struct News {
    next: Offset,
    afresh: bool,
    values: Vec<Named>,
}

/// What is different in a partition.
struct Changed {
    place: usize,
    /// Everything else is void.
    afresh: bool,
    also_read: Vec<(ArticleId, Option<AlsoRead>)>,
    counted: Vec<(ArticleId, Option<ArticleCounts>)>,
}

impl Mirror {
    /// Returns what is different now, if anything is.
    fn take_in(&mut self, place: usize, news: News) -> Option<Changed> {
        if news.afresh {
            self.levels.forget(place);
            self.partitions[place].summary = None;
        }
        let changed = news.afresh || !news.values.is_empty() || self.partitions[place].since != news.next;
        self.partitions[place].since = news.next;
        let (mut also_read, mut counted) = (Vec::new(), Vec::new());
        for (key, value) in news.values {
            let bytes = value.as_ref().map(|value| value.bytes.as_ref());
            let taken = match ValueName::from_key(&key) {
                Some(ValueName::Article(article)) => decode::<ArticleCounts>(bytes).map(|counts| {
                    self.levels.set(article, place, counts.as_ref());
                    counted.push((article, counts));
                }),
                Some(ValueName::AlsoRead(article)) => {
                    decode(bytes).map(|of: Option<AlsoRead>| also_read.push((article, of)))
                }
                Some(ValueName::Summary) => {
                    decode(bytes).map(|summary| self.partitions[place].summary = summary)
                }
                _ => Ok(()),
            };
            if let Err(error) = taken {
                tracing::warn!(partition = place, %error, "a mirrored value is left out");
            }
        }
        changed.then_some(Changed { place, afresh: news.afresh, also_read, counted })
    }

    fn summaries(&self) -> impl Iterator<Item = &PartitionSummary> {
        self.partitions.iter().filter_map(|partition| partition.summary.as_ref())
    }

    fn now(&self) -> Option<Timestamp> {
        self.summaries().map(|summary| Timestamp(summary.watermark)).max()
    }

    fn markers(&self) -> Vec<Offset> {
        self.partitions.iter().map(|partition| partition.since).collect()
    }

    fn view(&self, top: &[(ArticleId, f64)], counts: &Counts) -> View {
        let first = top.first().map_or(0.0, |(_, level)| *level);
        let reads = |id| counts.now.map_or(0.0, |now| counts.table.reads(id, POPULAR_HALF_LIFE, now));
        let trend = |(id, level): &(ArticleId, f64)| {
            let article = self.articles.get(id)?.clone();
            let share = (level - first).exp2() as f32;
            (!article.version.withdrawn).then(|| Trend { article, share, prior: prior_of(reads(*id)) })
        };
        let mut active: Vec<ActiveReader> =
            self.summaries().flat_map(|summary| summary.active.iter().cloned()).collect();
        active.sort_by(|a, b| b.last_seen.cmp(&a.last_seen).then_with(|| a.user_id.cmp(&b.user_id)));
        active.truncate(ACTIVE_READERS);
        let watermark = |partition: &Partition| Some(Timestamp(partition.summary.as_ref()?.watermark));
        View {
            now: self.now(),
            top: top.iter().filter_map(trend).collect(),
            active,
            markers: self.markers(),
            watermarks: self.partitions.iter().map(watermark).collect(),
        }
    }
}

fn decode<T: Kept>(bytes: Option<&[u8]>) -> std::result::Result<Option<T>, KeptError> {
    bytes.map(T::from_kept).transpose()
}
