//! The learner itself: one step a read.

use abovefold_schemas::{ArticleId, ReaderId, Timestamp};

use super::adagrad::{FADE, add_scaled, dot, step, step_bias};
use super::moved::Moved;
use super::rows::{Row, RowKey};
use super::table::{Context, FixedMap, Table, weight_of_page};
use super::visits::Visits;
use super::{LEARNED_WIDTH, PAGES};
use crate::seed::mix;

/// How to learn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearnerOptions {
    /// Seed of everything random.
    pub seed: u64,
    /// Negatives of a step.
    pub negatives: usize,
    /// The latest reads that negatives are drawn from.
    pub recent: usize,
    /// The most reads of one reader that teach anything within an hour of the log.
    pub reads_an_hour: u32,
    /// The most articles that are known at once (540 bytes each); reads of further ones teach nothing.
    pub most_articles: usize,
    /// The most readers that are known at once (270 bytes each); further ones are learned from as nobody in particular, which is nothing.
    pub most_readers: usize,
}

impl Default for LearnerOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            negatives: 60,
            recent: 4_096,
            reads_an_hour: 60,
            most_articles: 200_000,
            most_readers: 1_000_000,
        }
    }
}

/// An article that nobody read for this long, 7 days of the log, is forgotten.
pub const ARTICLES_EXPIRE_MS: i64 = 7 * 86_400_000;
/// A reader who read nothing for this long, 30 days of the log, is forgotten.
pub const READERS_EXPIRE_MS: i64 = 30 * 86_400_000;
const HOUR_MS: i64 = 3_600_000;

/// A read, as the learner sees it.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// Who read.
    pub reader: &'a ReaderId,
    /// What.
    pub article: ArticleId,
    /// When the page was left.
    pub exit: Timestamp,
    /// Seconds on the page, where known: the click came so much earlier.
    pub read_seconds: Option<f32>,
    /// 0 unknown, 1 mobile, 2 tablet, 3 desktop.
    pub device: u8,
}

impl Observed<'_> {
    /// When the page was clicked (ms since 1970).
    pub fn click(&self) -> i64 {
        let seconds = self.read_seconds.filter(|seconds| seconds.is_finite()).unwrap_or(0.0);
        self.exit.0 - (f64::from(seconds.clamp(0.0, 600.0)) * 1e3) as i64
    }
}

/// Learns from reads, one after the other. The same reads in the same order give the same table.
#[derive(Clone, Debug)]
pub struct Learner {
    options: LearnerOptions,
    table: Table,
    visits: Visits,
    /// Places of the articles read last, round and round.
    recent: Vec<u32>,
    next_recent: usize,
    steps: u64,
    /// Which negatives this step has drawn, by article place.
    drawn: Vec<u64>,
    moved: Moved,
    /// The latest exit so far, by which hours and days are counted: a reader's own clock turns none of them back.
    now: i64,
    /// Reads of each reader in the hour of `now` that taught, or would have.
    spent: FixedMap<ReaderId, u32>,
    refused: u64,
    /// When articles were read last, by place.
    read: Vec<i64>,
    /// When readers taught last, by place.
    taught: Vec<i64>,
}

impl Learner {
    /// Nothing learned yet.
    pub fn new(options: LearnerOptions) -> Self {
        Self {
            table: Table::new(options.seed),
            visits: Visits::default(),
            recent: Vec::with_capacity(options.recent),
            next_recent: 0,
            steps: 0,
            drawn: Vec::new(),
            moved: Moved::default(),
            now: 0,
            spent: FixedMap::default(),
            refused: 0,
            read: Vec::new(),
            taught: Vec::new(),
            options,
        }
    }

    /// What was learned so far.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The visits that readers are on.
    pub fn visits(&self) -> &Visits {
        &self.visits
    }

    /// Steps taken so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Reads that taught nothing, because their reader had taught enough in that hour or there were too many articles or readers.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// The keys of the rows that moved since this was called last, and of those that went.
    pub fn take_moved(&mut self) -> (Vec<RowKey>, Vec<RowKey>) {
        self.moved.take(&self.table)
    }

    /// Puts a row in the place of what was learned, if its article or reader is known.
    pub fn put(&mut self, key: &RowKey, row: &Row) {
        if self.table.row(key).is_some() {
            self.table.put(key, row);
        }
    }

    /// Learns from a read.
    pub fn observe(&mut self, read: &Observed<'_>) {
        self.take(read, true);
    }

    /// Goes on as if it had learned from a read, and leaves the vectors as they are: they are [`Learner::put`] then.
    pub fn note(&mut self, read: &Observed<'_>) {
        self.take(read, false);
    }

    /// Forgets a reader.
    pub fn forget(&mut self, reader: &ReaderId) {
        self.visits.forget(reader);
        let key = RowKey::Reader(reader.clone());
        if self.table.row(&key).is_some() {
            self.table.remove(&key);
            self.moved.removed(key);
        }
    }

    fn take(&mut self, read: &Observed<'_>, teaches: bool) {
        self.pass(read.exit.0);
        if !self.table.article_places.contains_key(&read.article)
            && self.table.articles() >= self.options.most_articles
        {
            self.refused += 1;
            return;
        }
        let before = self.visits.note(read.reader, read.article, read.click(), read.exit.0, PAGES);
        let place = self.table.article(read.article);
        set_at(&mut self.read, place, read.exit.0);
        if let Some(pages) = before {
            if self.may_teach(read.reader) {
                self.learn(read, place, &pages, teaches);
            } else {
                self.refused += 1;
            }
        }
        if self.recent.len() < self.options.recent {
            self.recent.push(place as u32);
        } else {
            self.recent[self.next_recent] = place as u32;
            self.next_recent = (self.next_recent + 1) % self.options.recent;
        }
    }

    /// Counts a read against its reader's budget.
    fn may_teach(&mut self, reader: &ReaderId) -> bool {
        if !self.table.reader_places.contains_key(reader) && self.table.readers() >= self.options.most_readers
        {
            return false;
        }
        let spent = match self.spent.get_mut(reader) {
            Some(spent) => spent,
            None => self.spent.entry(reader.clone()).or_default(),
        };
        *spent = spent.saturating_add(1);
        *spent <= self.options.reads_an_hour
    }

    /// Goes on to `exit`; with a new hour budgets are new, and what was not seen for long is forgotten.
    fn pass(&mut self, exit: i64) {
        let is_new_hour = exit.div_euclid(HOUR_MS) > self.now.div_euclid(HOUR_MS);
        self.now = self.now.max(exit);
        if !is_new_hour {
            return;
        }
        self.spent.clear();
        let mut kept = vec![false; self.table.articles.len()];
        self.recent.iter().for_each(|place| kept[*place as usize] = true);
        let is_old = |seen: &[i64], place: u32, limit: i64| {
            self.now - seen.get(place as usize).copied().unwrap_or(self.now) > limit
        };
        let articles = self.table.article_places.iter();
        let articles = articles
            .filter(|(_, place)| !kept[**place as usize] && is_old(&self.read, **place, ARTICLES_EXPIRE_MS));
        let mut gone: Vec<RowKey> = articles.map(|(id, _)| RowKey::To(*id)).collect();
        let readers = self.table.reader_places.iter();
        let readers = readers.filter(|(_, place)| is_old(&self.taught, **place, READERS_EXPIRE_MS));
        gone.extend(readers.map(|(id, _)| RowKey::Reader(id.clone())));
        // Places are given out again in the order in which they became free.
        gone.sort();
        for key in gone {
            self.table.remove(&key);
            self.moved.removed(key);
        }
    }

    fn learn(&mut self, read: &Observed<'_>, target: usize, pages: &[ArticleId], teaches: bool) {
        self.steps += 1;
        let hour = hour_of(read.exit);
        let reader = self.table.reader(read.reader);
        set_at(&mut self.taught, reader, self.now);
        let page_places: Vec<usize> = pages
            .iter()
            .map(|page| {
                let is_known = self.table.article_places.contains_key(page);
                let place = self.table.article(*page);
                // It may have expired within a visit that goes on.
                if !is_known {
                    set_at(&mut self.read, place, self.now);
                }
                place
            })
            .collect();
        if !teaches {
            return;
        }
        let context = Context { reader: read.reader, pages, device: read.device, hour };
        let query = self.table.query(&context);
        let mut h = query.pages;
        add_scaled(&mut h, 1.0, &query.reader);
        add_scaled(&mut h, 1.0, &query.moment);
        let mut chosen = vec![target];
        self.draw(&mut chosen, &page_places);
        if chosen.len() < 2 {
            return;
        }
        let mut shares: Vec<f32> = chosen.iter().map(|place| self.score(&h, *place)).collect();
        softmax(&mut shares);
        shares[0] -= 1.0;
        let mut pull = [0.0_f32; LEARNED_WIDTH];
        for (place, share) in chosen.iter().zip(&shares) {
            let article = &mut self.table.articles[*place];
            add_scaled(&mut pull, *share, &article.to.vector);
            step(&mut article.to.vector, &mut article.to.squares, FADE, *share, &h);
            step_bias(&mut article.bias, &mut article.bias_squares, *share);
            self.moved.to(*place);
        }
        for (at, place) in page_places.iter().enumerate() {
            let from = &mut self.table.articles[*place].from;
            step(&mut from.vector, &mut from.squares, FADE, weight_of_page(at, pages.len()), &pull);
            self.moved.from(*place);
        }
        let moment = (usize::from(read.device.min(3)), usize::from(hour));
        for learned in [
            &mut self.table.readers[reader],
            &mut self.table.devices[moment.0],
            &mut self.table.hours[moment.1],
        ] {
            step(&mut learned.vector, &mut learned.squares, 1.0, 1.0, &pull);
        }
        self.moved.rest(reader, moment.0, moment.1);
    }

    fn score(&self, h: &[f32; LEARNED_WIDTH], place: usize) -> f32 {
        let article = &self.table.articles[place];
        dot(h, &article.to.vector) + article.bias
    }

    /// Adds distinct negatives of the latest reads, none of them in `chosen` or `pages`.
    fn draw(&mut self, chosen: &mut Vec<usize>, pages: &[usize]) {
        if self.recent.is_empty() {
            return;
        }
        self.drawn.resize(self.table.articles.len(), 0);
        for place in chosen.iter().chain(pages) {
            self.drawn[*place] = self.steps;
        }
        let start = mix(self.options.seed ^ mix(self.steps));
        for attempt in 0..8 * self.options.negatives as u64 {
            if chosen.len() > self.options.negatives {
                break;
            }
            let at = mix(start.wrapping_add(attempt)) % self.recent.len() as u64;
            let place = self.recent[at as usize] as usize;
            if self.drawn[place] != self.steps {
                self.drawn[place] = self.steps;
                chosen.push(place);
            }
        }
    }
}

fn set_at(times: &mut Vec<i64>, place: usize, time: i64) {
    if times.len() <= place {
        times.resize(place + 1, time);
    }
    times[place] = time;
}

/// Hour of the day, UTC.
pub(super) fn hour_of(time: Timestamp) -> u8 {
    (time.0.rem_euclid(86_400_000) / 3_600_000) as u8
}

fn softmax(scores: &mut [f32]) {
    let greatest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - greatest).exp();
        sum += *score;
    }
    for score in scores.iter_mut() {
        *score /= sum;
    }
}
