//! The learner itself: one step a follow-up.

use abovefold_schemas::{ArticleId, ReaderId, Timestamp};

use super::adagrad::{FADE, add_scaled, dot, step, step_bias};
use super::table::{Context, Table, weight_of_page};
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
}

impl Default for LearnerOptions {
    fn default() -> Self {
        Self { seed: 1, negatives: 60, recent: 4_096 }
    }
}

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

    /// Learns from a read.
    pub fn observe(&mut self, read: &Observed<'_>) {
        let before = self.visits.note(read.reader, read.article, read.click(), read.exit.0, PAGES);
        let place = self.table.article(read.article);
        if let Some(pages) = before {
            self.learn(read, place, &pages);
        }
        if self.recent.len() < self.options.recent {
            self.recent.push(place as u32);
        } else {
            self.recent[self.next_recent] = place as u32;
            self.next_recent = (self.next_recent + 1) % self.options.recent;
        }
    }

    fn learn(&mut self, read: &Observed<'_>, target: usize, pages: &[ArticleId]) {
        self.steps += 1;
        let hour = hour_of(read.exit);
        let context = Context { reader: read.reader, pages, device: read.device, hour };
        let query = self.table.query(&context);
        let mut h = query.pages;
        add_scaled(&mut h, 1.0, &query.reader);
        add_scaled(&mut h, 1.0, &query.moment);
        let page_places: Vec<usize> = pages.iter().map(|page| self.table.article(*page)).collect();
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
        }
        for (at, place) in page_places.iter().enumerate() {
            let from = &mut self.table.articles[*place].from;
            step(&mut from.vector, &mut from.squares, FADE, weight_of_page(at, pages.len()), &pull);
        }
        let reader = self.table.reader(read.reader);
        let moment = (usize::from(read.device.min(3)), usize::from(hour));
        for learned in [
            &mut self.table.readers[reader],
            &mut self.table.devices[moment.0],
            &mut self.table.hours[moment.1],
        ] {
            step(&mut learned.vector, &mut learned.squares, 1.0, 1.0, &pull);
        }
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
