//! What was shown of late: the topic `impressions`, followed, with every process's slates.
//!
//! Decayed counts, of all readers for each article and of each reader's own: what is shown often and not read tires, and what few were
//! shown may be explored. It is a mirror in memory: a process that starts reads the last day again. Times are those of the wall
//! clock, as the impressions have them.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use abovefold_engine::{Result, Runtime, log::Position};
use abovefold_schemas::{ArticleId, Kept, ReaderId, Timestamp, records::Impression};

use super::impressions::Impressions;
use crate::{
    features::{EXPOSURE_HALF_LIVES_MS, ExposureTable},
    fold::{cache::FixedMap, trends::decay},
};

/// How far back a process that starts reads: three half-lives.
const FROM_MS: i64 = 86_400_000;
/// The half-life of what a reader was shown: 8 hours, that of the longer exposures.
const HALF_LIFE_MS: i64 = EXPOSURE_HALF_LIVES_MS[1];
/// Readers of one generation; there are two, and who was shown nothing of late goes.
const READERS: usize = 16_384;
/// Articles that are remembered of one reader; the one shown longest ago goes.
const ARTICLES: usize = 200;
/// Times that count for less than this are forgotten.
const NOTHING: f64 = 0.05;
/// Articles beyond which those that nobody was shown of late are dropped; again at twice what is then left, so that a sweep is rare.
const MANY: usize = 50_000;
/// Impressions after which others get their turn: a process that starts has a day of them to read.
const AT_ONCE: usize = 16;

#[derive(Clone, Copy, Debug)]
struct Times {
    times: f64,
    last: i64,
}

impl Times {
    fn at(self, now: i64) -> f64 {
        self.times * decay((now - self.last).max(0), HALF_LIFE_MS)
    }
}

#[derive(Debug, Default)]
struct Shown {
    articles: ExposureTable,
    /// So many articles were left by the last sweep.
    swept: usize,
    young: FixedMap<ReaderId, BTreeMap<ArticleId, Times>>,
    old: FixedMap<ReaderId, BTreeMap<ArticleId, Times>>,
}

/// What was shown of late.
#[derive(Debug, Default)]
pub struct Exposures {
    shown: RwLock<Shown>,
}

impl Exposures {
    /// How often a reader was shown each article, faded by time; without those that count for nothing any more.
    pub fn to(&self, reader: &ReaderId, now: Timestamp) -> BTreeMap<ArticleId, f32> {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        let Some(articles) = shown.young.get(reader).or_else(|| shown.old.get(reader)) else {
            return BTreeMap::new();
        };
        let times = articles.iter().map(|(article, times)| (*article, times.at(now.0)));
        times.filter(|(_, times)| *times >= NOTHING).map(|(article, times)| (article, times as f32)).collect()
    }

    /// How often an article was shown, to anybody, faded by time.
    pub fn of(&self, article: ArticleId, now: Timestamp) -> f32 {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        shown.articles.at(article, now).map_or(0.0, |exposed| exposed.shown[1] as f32)
    }

    /// Takes an impression in.
    pub fn take(&self, impression: &Impression) {
        let Ok(reader) = ReaderId::new(impression.user_id.clone()) else { return };
        let articles: Vec<ArticleId> =
            impression.shown.iter().map(|shown| ArticleId(shown.article_id)).collect();
        let now = impression.time;
        let mut shown = self.shown.write().unwrap_or_else(PoisonError::into_inner);
        shown.articles.shown(&articles, &[], Timestamp(now));
        if shown.articles.len() > MANY.max(2 * shown.swept) {
            shown.articles.expire(Timestamp(now), NOTHING);
            shown.swept = shown.articles.len();
        }
        let mut of_reader = match shown.young.remove(&reader) {
            Some(known) => known,
            None => shown.old.remove(&reader).unwrap_or_default(),
        };
        for article in articles {
            let before = of_reader.get(&article).map_or(0.0, |times| times.at(now));
            of_reader.insert(article, Times { times: before + 1.0, last: now });
        }
        of_reader.retain(|_, times| times.at(now) >= NOTHING);
        while of_reader.len() > ARTICLES
            && let Some(oldest) = of_reader.iter().min_by_key(|(_, times)| times.last).map(|(id, _)| *id)
        {
            of_reader.remove(&oldest);
        }
        if shown.young.len() >= READERS {
            shown.old = std::mem::take(&mut shown.young);
        }
        shown.young.insert(reader, of_reader);
    }

    /// Starts a task that follows the topic until nobody else holds what it found. A log that does not answer is tried again.
    pub(super) fn follow(runtime: &Runtime, impressions: Impressions) -> Arc<Self> {
        let this = Arc::new(Self::default());
        let (weak, clock) = (Arc::downgrade(&this), runtime.clone());
        runtime.spawn(async move {
            let mut next: BTreeMap<u32, Position> = BTreeMap::new();
            while weak.strong_count() > 0 {
                let take = |impression: &Impression| match weak.upgrade() {
                    Some(exposures) => {
                        exposures.take(impression);
                        true
                    }
                    None => false,
                };
                match read(&clock, &impressions, &mut next, take).await {
                    Ok(()) => return,
                    Err(error) => tracing::debug!(%error, "what was shown stays as it was, trying again"),
                }
                clock.sleep(Duration::from_secs(1)).await;
            }
        });
        this
    }
}

/// Reads on from `next`, or from a day ago, until `take` has had enough. After an error it is called again with what it has got to; a
/// topic that was cut meanwhile is read from a day ago again.
async fn read(
    clock: &Runtime,
    impressions: &Impressions,
    next: &mut BTreeMap<u32, Position>,
    take: impl Fn(&Impression) -> bool,
) -> Result<()> {
    let (log, topic) = (impressions.log.as_ref(), &impressions.topic);
    let bounds = log.bounds(topic).await?;
    let since = log.offsets_at(topic, Timestamp(clock.now().0 - FROM_MS)).await?;
    let from = (0u32..).zip(bounds.iter().zip(since)).map(|(partition, (bounds, since))| {
        let known = next.get(&partition).map(|position| position.offset);
        let there = known.filter(|offset| (bounds.begin..=bounds.end).contains(offset));
        Position { partition, offset: there.unwrap_or(since) }
    });
    let mut reader = log.read(topic, from.collect()).await?;
    loop {
        let run = reader.next().await?;
        for records in run.records.chunks(AT_ONCE) {
            for record in records {
                // What is no impression was shown to nobody.
                if let Ok(impression) = Impression::from_kept(&record.value)
                    && !take(&impression)
                {
                    return Ok(());
                }
            }
            tokio::task::yield_now().await;
        }
        next.insert(run.partition, Position { partition: run.partition, offset: run.next });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use abovefold_schemas::records::Shown;

    fn impression(reader: &str, time: i64, articles: &[i64]) -> Impression {
        let shown = articles.iter().map(|id| Shown { article_id: *id, ..Shown::default() }).collect();
        Impression { user_id: reader.into(), time, shown, ..Impression::default() }
    }

    #[test]
    fn times_fade_and_are_forgotten() {
        let exposures = Exposures::default();
        let anna = ReaderId::new("anna").unwrap();
        exposures.take(&impression("anna", 0, &[1, 2]));
        exposures.take(&impression("anna", HALF_LIFE_MS, &[1]));
        exposures.take(&impression("ben", HALF_LIFE_MS, &[1]));
        let shown = exposures.to(&anna, Timestamp(HALF_LIFE_MS));
        assert_eq!(shown.into_iter().collect::<Vec<_>>(), [(ArticleId(1), 1.5), (ArticleId(2), 0.5)]);
        assert_eq!(exposures.of(ArticleId(1), Timestamp(HALF_LIFE_MS)), 2.5);
        assert_eq!(exposures.of(ArticleId(3), Timestamp(HALF_LIFE_MS)), 0.0);
        assert!(exposures.to(&anna, Timestamp(20 * HALF_LIFE_MS)).is_empty());
        assert!(exposures.to(&ReaderId::new("carl").unwrap(), Timestamp(0)).is_empty());
    }

    #[test]
    fn what_is_remembered_of_a_reader_and_of_readers_is_bounded() {
        let exposures = Exposures::default();
        for time in 0..ARTICLES as i64 + 50 {
            exposures.take(&impression("anna", time, &[time]));
        }
        let now = Timestamp(ARTICLES as i64 + 50);
        let shown = exposures.to(&ReaderId::new("anna").unwrap(), now);
        assert_eq!(shown.len(), ARTICLES);
        assert!(!shown.contains_key(&ArticleId(0)) && shown.contains_key(&ArticleId(249)));
        for reader in 0..3 * READERS {
            exposures.take(&impression(&reader.to_string(), now.0, &[1]));
        }
        let kept = exposures.shown.read().unwrap();
        assert!(kept.young.len() + kept.old.len() <= 2 * READERS);
    }
}
