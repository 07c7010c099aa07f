//! Readers come, look at lists of articles, click, read and leave; all of them in one order of time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use abovefold_schemas::tables::{BehaviorRow, EventRow, HindsightRow, HistoryRead, OracleRow};
use abovefold_schemas::{ArticleId, ReaderId, Timestamp};

use super::Spec;
use super::calendar::HOUR;
use super::clicks::{Memory, Popularity, choice, logit};
use super::dice::Dice;
use super::edition::Article;
use super::exact::{exp, ln, logistic};
use super::readers::Reader;
use super::sections::Section;

/// Articles older than this are on no list.
const SHOWN_FOR_HOURS: i64 = 48;
/// What the section that a visit is about gains, as a logit.
const MOOD: f64 = 4.0;
/// The shortest and the longest list.
const LIST: (usize, usize) = (5, 15);

/// Everything that readers did.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// The impressions with a click, in the order of time.
    pub(super) behaviors: Vec<HindsightRow>,
    /// The true probabilities of `behaviors`.
    pub(super) oracle: Vec<OracleRow>,
    /// The reads of each reader, in the order of time, with the moment when each page was left.
    pub(super) reads: Vec<Vec<(HistoryRead, Timestamp)>>,
    /// All reads, in the order of the moments when the pages were left.
    pub(super) events: Vec<EventRow>,
}

/// A reader who is about to look at a list. Ordered by time, then by when it was put in line.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Look {
    at: Timestamp,
    turn: u64,
    reader: usize,
    session: u32,
    /// The section that this visit is about, if it is about one.
    mood: Option<usize>,
    device: i8,
    page: Option<Page>,
}

/// The article at whose foot a list stands, with its telemetry in thousandths.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Page {
    article: usize,
    read_time_millis: i64,
    scroll_percent: i64,
}

/// Lets all readers live through the days of the newspaper.
pub(super) fn simulate(
    spec: &Spec,
    sections: &[Section],
    articles: &[Article],
    readers: &[Reader],
    dice: &mut Dice,
    progress: &mut dyn FnMut(f32),
) -> Record {
    let mut visits: Vec<(Timestamp, usize)> = Vec::new();
    for (number, reader) in readers.iter().enumerate() {
        visits.extend(reader.visits(spec, dice).into_iter().map(|at| (at, number)));
    }
    visits.sort_unstable();
    // From a stream of its own: the visits are the same with and without.
    let mut moods = Dice::new(spec.seed, 3);
    let mut line = BinaryHeap::new();
    for (session, (at, reader)) in visits.iter().enumerate() {
        let look = Look {
            at: *at,
            turn: session as u64,
            reader: *reader,
            session: session as u32 + 1,
            mood: mood(spec, sections, &mut moods),
            device: readers[*reader].device(dice),
            page: None,
        };
        line.push(Reverse(look));
    }
    let mut run = Simulation {
        spec,
        articles,
        readers,
        memories: vec![Memory::default(); readers.len()],
        popularity: Popularity::new(articles.len()),
        record: Record { reads: vec![Vec::new(); readers.len()], ..Record::default() },
    };
    let mut turn = line.len() as u64;
    while let Some(Reverse(look)) = line.pop() {
        if turn.is_multiple_of(256) {
            progress((look.at.millis_since(spec.start()) as f64 / spec.length() as f64) as f32);
        }
        if let Some(mut next) = run.look(look, dice) {
            turn += 1;
            next.turn = turn;
            line.push(Reverse(next));
        }
    }
    let mut record = run.record;
    record
        .events
        .sort_by(|a, b| (a.timestamp, &a.reader, a.article_id).cmp(&(b.timestamp, &b.reader, b.article_id)));
    record
}

/// The section that a visit is about; most are about none.
fn mood(spec: &Spec, sections: &[Section], dice: &mut Dice) -> Option<usize> {
    dice.chance(f64::from(spec.moods) / 100.0).then(|| {
        let weights: Vec<f64> = sections.iter().map(|section| section.weight).collect();
        dice.weighted(&weights)
    })
}

struct Simulation<'a> {
    spec: &'a Spec,
    articles: &'a [Article],
    readers: &'a [Reader],
    memories: Vec<Memory>,
    popularity: Popularity,
    record: Record,
}

impl Simulation<'_> {
    /// One look at one list; what the reader looks at next, if anything.
    fn look(&mut self, look: Look, dice: &mut Dice) -> Option<Look> {
        let reader = &self.readers[look.reader];
        let shown = self.list(&look, dice);
        if shown.len() < 2 {
            return None;
        }
        let logits: Vec<f64> = shown.iter().map(|number| self.logit(&look, *number)).collect();
        let (shares, any) = choice(&logits);
        if !dice.chance(logistic(any - reader.restraint)) {
            return None;
        }
        let place = dice.weighted(&shares);
        let clicked = shown[place];
        let opened = Timestamp(look.at.0 + dice.between(2.0, 40.0) as i64 * 1000);
        let page = self.read(reader, clicked, logits[place], dice);
        let left = Timestamp(opened.0 + page.read_time_millis);
        if left >= self.spec.end {
            return None;
        }
        self.note(&look, &shown, &shares, (clicked, opened), page);
        if !dice.chance(reader.stamina) {
            return None;
        }
        // Half of them look at the foot of the article, the others go back to the front page.
        let foot = dice.chance(0.5).then_some(page);
        let at = Timestamp(left.0 + 1000 * i64::from(foot.is_none()));
        Some(Look { at, page: foot, ..look })
    }

    fn logit(&self, look: &Look, number: usize) -> f64 {
        let article = &self.articles[number];
        let popularity = self.popularity.of(number, look.at);
        let reader = (look.reader, &self.readers[look.reader]);
        let mood = if look.mood == Some(article.section) { MOOD } else { 0.0 };
        mood + logit(self.spec, reader, &self.memories[look.reader], article, popularity, look.at)
    }

    /// The articles of a list: recent ones that the reader has not read, prominent and popular ones first,
    /// and at the foot of an article more of its own section.
    fn list(&self, look: &Look, dice: &mut Dice) -> Vec<usize> {
        let now = look.at;
        let oldest = Timestamp(now.0 - SHOWN_FOR_HOURS * HOUR);
        let from = self.articles.partition_point(|article| article.row.published_time < oldest);
        let until = self.articles.partition_point(|article| article.row.published_time <= now);
        let read = &self.memories[look.reader].articles;
        let section = look.page.map(|page| self.articles[page.article].section);
        let mut weights: Vec<f64> = (from..until)
            .map(|number| {
                let article = &self.articles[number];
                if read.contains(&number) {
                    return 0.0;
                }
                let hours = now.millis_since(article.row.published_time) as f64 / HOUR as f64;
                let same_section = if section == Some(article.section) { 4.0 } else { 1.0 };
                let popularity = ln(1.0 + self.popularity.of(number, now));
                article.prominence * same_section * exp(-hours / 14.0) * (1.0 + 0.4 * popularity)
            })
            .collect();
        let unread = weights.iter().filter(|weight| **weight > 0.0).count();
        let length = (LIST.0 + dice.below(LIST.1 - LIST.0 + 1)).min(unread);
        let mut shown = Vec::with_capacity(length);
        for _ in 0..length {
            let place = dice.weighted(&weights);
            weights[place] = 0.0;
            shown.push(from + place);
        }
        // The order of a list in the tables means nothing.
        dice.shuffle(&mut shown);
        shown
    }

    /// How an article is read: who likes it reads on.
    fn read(&self, reader: &Reader, number: usize, liking: f64, dice: &mut Dice) -> Page {
        let share = logistic(0.7 * (liking - 0.8) + 0.9 * dice.normal());
        let seconds = share * self.articles[number].words as f64 / reader.speed * exp(0.25 * dice.normal());
        Page {
            article: number,
            read_time_millis: seconds.round().clamp(1.0, 900.0) as i64 * 1000,
            scroll_percent: (100.0 * (share + 0.08)).round().clamp(1.0, 100.0) as i64,
        }
    }

    /// Writes down an impression, its click and the read that followed.
    fn note(
        &mut self,
        look: &Look,
        shown: &[usize],
        shares: &[f64],
        (clicked, opened): (usize, Timestamp),
        page: Page,
    ) {
        let reader = &self.readers[look.reader];
        let number = self.record.behaviors.len() as u32 + 1;
        let id = |article: usize| self.articles[article].row.article_id;
        let name = reader_id(look.reader);
        let seconds = |page: Page| page.read_time_millis as f32 / 1000.0;
        let read = HistoryRead {
            impression_time: opened,
            scroll_percentage: Some(page.scroll_percent as f32),
            article_id: id(clicked),
            read_time: Some(seconds(page)),
        };
        let left = Timestamp(opened.0 + page.read_time_millis);
        self.record.oracle.extend(shown.iter().zip(shares).map(|(article, share)| OracleRow {
            impression_id: number,
            article_id: id(*article),
            probability: *share as f32,
        }));
        self.record.events.push(EventRow {
            reader: name.clone(),
            article_id: read.article_id,
            read_time: read.read_time,
            scroll_pct: read.scroll_percentage,
            device_type: look.device,
            timestamp: left,
        });
        let behavior = BehaviorRow {
            impression_id: number,
            article_id: look.page.map(|page| id(page.article)),
            impression_time: look.at,
            read_time: Some(look.page.map_or(opened.millis_since(look.at) as f32 / 1000.0, seconds)),
            scroll_percentage: look.page.map(|page| page.scroll_percent as f32),
            device_type: look.device,
            in_view: shown.iter().map(|article| id(*article)).collect::<Vec<ArticleId>>(),
            clicked: vec![read.article_id],
            reader: name,
            is_sso_user: reader.is_sso_user,
            gender: reader.gender,
            postcode: reader.postcode,
            age: reader.age,
            is_subscriber: reader.is_subscriber,
            session_id: look.session,
        };
        self.record.behaviors.push(HindsightRow::new(behavior, read.read_time, read.scroll_percentage));
        self.record.reads[look.reader].push((read, left));
        self.memories[look.reader].open(clicked, self.articles[clicked].story, opened);
        self.popularity.count(clicked, opened);
    }
}

/// Readers are numbered from 1.
pub(super) fn reader_id(number: usize) -> ReaderId {
    ReaderId::new((number + 1).to_string()).expect("a number is a reader's id")
}
