//! The planted model: what makes a reader click, which the rankers are to find out.
//!
//! Each shown article has a logit: the reader's interest in its section and (a private taste) in its story,
//! whether the visit is about its section, its freshness, its popularity so far, and the story so far. A reader who looks at a list clicks one
//! article of it or leaves; the clicked one is drawn by the softmax of the logits. That is what independent
//! logistic clicks are, given that exactly one happens. Like EB-NeRD, the tables hold only impressions with a
//! click, so that the softmax is the true probability of what they show.

use std::collections::BTreeMap;

use abovefold_schemas::Timestamp;

use super::Spec;
use super::calendar::HOUR;
use super::dice::taste;
use super::edition::Article;
use super::exact::{exp, ln};
use super::readers::Reader;

/// Half of an article's popularity is gone after this many hours.
const POPULARITY_HALF_LIFE_HOURS: f64 = 5.0;

/// How often each article was opened lately.
pub(super) struct Popularity(Vec<(f64, Timestamp)>);

impl Popularity {
    /// Nothing was opened yet.
    pub(super) fn new(articles: usize) -> Self {
        Self(vec![(0.0, Timestamp(0)); articles])
    }

    /// The decayed count of an article's openings.
    pub(super) fn of(&self, article: usize, now: Timestamp) -> f64 {
        let (count, at) = self.0[article];
        if count == 0.0 {
            return 0.0;
        }
        let hours = now.millis_since(at) as f64 / HOUR as f64;
        count * exp(-std::f64::consts::LN_2 * hours / POPULARITY_HALF_LIFE_HOURS)
    }

    /// Counts an opening.
    pub(super) fn count(&mut self, article: usize, now: Timestamp) {
        self.0[article] = (self.of(article, now) + 1.0, now);
    }
}

/// What a reader has read so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// The articles, in the order in which they were opened.
    pub(super) articles: Vec<usize>,
    /// The parts read of each story, and when the last one was.
    stories: BTreeMap<usize, (u32, Timestamp)>,
}

impl Memory {
    /// Notes that an article was opened.
    pub(super) fn open(&mut self, number: usize, story: usize, now: Timestamp) {
        self.articles.push(number);
        let (parts, latest) = self.stories.entry(story).or_insert((0, now));
        *parts += 1;
        *latest = now;
    }

    /// How much a reader wants to know how a story goes on: more for each part read, less for each day since.
    fn suspense(&self, story: usize, now: Timestamp) -> f64 {
        self.stories.get(&story).map_or(0.0, |(parts, latest)| {
            let days = now.millis_since(*latest) as f64 / (24 * HOUR) as f64;
            (1.0 + 0.4 * f64::from((*parts).min(3) - 1)) * exp(-days / 4.0)
        })
    }
}

/// The logit of an article for a reader at a moment.
pub(super) fn logit(
    spec: &Spec,
    (reader_number, reader): (usize, &Reader),
    memory: &Memory,
    article: &Article,
    popularity: f64,
    now: Timestamp,
) -> f64 {
    let age_hours = now.millis_since(article.row.published_time) as f64 / HOUR as f64;
    reader.likes(article.section, spec, now)
        + 0.4 * taste(spec.seed, reader_number as u64, article.story as u64)
        + 0.9 * exp(-age_hours / 6.0)
        - 0.03 * age_hours.min(48.0)
        + 0.4 * ln(1.0 + popularity)
        + 1.6 * memory.suspense(article.story, now)
}

/// The probability of each article to be the one that is clicked, and the logit of any click at all.
pub(super) fn choice(logits: &[f64]) -> (Vec<f64>, f64) {
    let greatest = logits.iter().copied().fold(f64::MIN, f64::max);
    let shares: Vec<f64> = logits.iter().map(|logit| exp(logit - greatest)).collect();
    let total: f64 = shares.iter().sum();
    (shares.iter().map(|share| share / total).collect(), greatest + ln(total))
}
