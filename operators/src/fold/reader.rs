//! The fold of one reader's events: reads, amendments, preferences, profile, forgetting. What the GRU has to do for it is noted as steps.

use abovefold_schemas::{
    ArticleId, Event, EventKind, Timestamp,
    batch::EventRow,
    state::{MAX_READ_BEFORE, MAX_READS, Profile, Read, ReaderState},
};

/// A visit ends when nothing is read for this long: 30 minutes.
pub const VISIT_GAP_MS: i64 = 1_800_000;

/// One step of the GRU that a reader's events ask for.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Whether a new read begins here: the hidden state so far becomes the one before it. Otherwise the step is taken again from the state
    /// before the last read.
    pub new_read: bool,
    /// The article.
    pub article: ArticleId,
    /// The log time as of which its vector is looked up.
    pub as_of: Timestamp,
    /// Seconds on the page.
    pub read_time: Option<f32>,
    /// 0 to 100.
    pub scroll_pct: Option<f32>,
    /// Reads since the last gap of 30 minutes, this one included.
    pub position: u32,
}

/// What an event did to a reader's state.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Nothing: a repeat of a piece.
    Ignored,
    /// The state changed, without a new read.
    Changed,
    /// A new read, after `previous` in the same visit (if there was one).
    NewRead {
        /// The article read before it.
        previous: Option<ArticleId>,
    },
    /// Everything of the reader is to be forgotten.
    Forgotten,
}

/// Folds one event into a reader's state and adds the GRU's steps to `steps`.
pub fn fold_event(state: &mut ReaderState, steps: &mut Vec<Step>, row: &EventRow<'_>) -> Outcome {
    match row.kind {
        EventKind::Read => fold_read(state, steps, row),
        EventKind::Preferences => {
            state.topics = detail(row).map(|event| event.topics).unwrap_or_default();
            Outcome::Changed
        }
        EventKind::Profile => {
            let told = detail(row).map(|event| event.profile).unwrap_or_default();
            let known = state.profile.get_or_insert_with(Profile::default);
            known.gender = told.gender.map(u32::from).or(known.gender);
            known.age = told.age.map(u32::from).or(known.age);
            known.is_sso_user = told.is_sso_user.or(known.is_sso_user);
            known.is_subscriber = told.is_subscriber.or(known.is_subscriber);
            Outcome::Changed
        }
        EventKind::Forget => {
            *state = ReaderState::default();
            steps.clear();
            Outcome::Forgotten
        }
    }
}

fn detail(row: &EventRow<'_>) -> Option<Event> {
    Event::from_json(row.detail?.as_bytes()).ok()
}

fn fold_read(state: &mut ReaderState, steps: &mut Vec<Step>, row: &EventRow<'_>) -> Outcome {
    let Some(article) = row.article_id else { return Outcome::Ignored };
    let amended = row.view_id.and_then(|view| {
        state
            .reads
            .iter()
            .rposition(|read| read.view_id.as_deref() == Some(view) && read.article_id == article.0)
    });
    match amended {
        Some(place) => amend(state, steps, row, place),
        None => new_read(state, steps, row, article),
    }
}

fn amend(state: &mut ReaderState, steps: &mut Vec<Step>, row: &EventRow<'_>, place: usize) -> Outcome {
    let is_last = place + 1 == state.reads.len();
    let read = &mut state.reads[place];
    if row.seq.unwrap_or(0) <= read.seq.unwrap_or(0) {
        return Outcome::Ignored;
    }
    read.seq = row.seq;
    read.read_time = row.read_time.or(read.read_time);
    read.scroll_pct = row.scroll_pct.or(read.scroll_pct);
    if is_last {
        steps.push(Step::of(read, false));
    }
    Outcome::Changed
}

fn new_read(
    state: &mut ReaderState,
    steps: &mut Vec<Step>,
    row: &EventRow<'_>,
    article: ArticleId,
) -> Outcome {
    let before = state.reads.last();
    let same_visit = before.filter(|last| row.event_time.0 - last.time <= VISIT_GAP_MS);
    let read = Read {
        article_id: article.0,
        time: row.event_time.0,
        read_time: row.read_time,
        scroll_pct: row.scroll_pct,
        device_type: u32::from(row.device_type),
        view_id: row.view_id.map(str::to_owned),
        seq: row.seq,
        position: same_visit.map_or(1, |last| last.position.saturating_add(1)),
        logged: row.log_time.0,
    };
    let previous = same_visit.map(|last| ArticleId(last.article_id)).filter(|previous| *previous != article);
    steps.push(Step::of(&read, true));
    state.reads.push(read);
    if state.reads.len() > MAX_READS {
        let oldest = state.reads.remove(0).article_id;
        remember(state, oldest);
    }
    state.total_reads += 1;
    state.device_type = u32::from(row.device_type);
    Outcome::NewRead { previous }
}

/// Keeps in mind that an article was read, now that its read is no longer among the last ones.
fn remember(state: &mut ReaderState, article: i64) {
    if state.reads.iter().any(|read| read.article_id == article) {
        return;
    }
    state.read_before.retain(|before| *before != article);
    state.read_before.push(article);
    if state.read_before.len() > MAX_READ_BEFORE {
        state.read_before.remove(0);
    }
}

impl Step {
    fn of(read: &Read, new_read: bool) -> Self {
        Self {
            new_read,
            article: ArticleId(read.article_id),
            as_of: Timestamp(read.logged),
            read_time: read.read_time,
            scroll_pct: read.scroll_pct,
            position: read.position,
        }
    }
}

/// Drops steps that a later amendment of the same read makes void: the result is the same bytes with less work.
pub fn prune(steps: &mut Vec<Step>) {
    let mut kept: Vec<Step> = Vec::with_capacity(steps.len());
    for step in steps.drain(..) {
        match kept.last_mut() {
            Some(last) if !step.new_read => *last = Step { new_read: last.new_read, ..step },
            _ => kept.push(step),
        }
    }
    *steps = kept;
}

#[cfg(test)]
mod tests {
    use abovefold_schemas::{Offset, batch::Turn};

    use super::*;

    fn read(
        article: i64,
        time: i64,
        view: Option<&'static str>,
        seq: Option<u32>,
        read_time: f32,
    ) -> EventRow<'static> {
        EventRow {
            offset: Offset(0),
            log_time: Timestamp(time),
            event_time: Timestamp(time),
            user_id: "ann",
            kind: EventKind::Read,
            article_id: Some(ArticleId(article)),
            read_time: Some(read_time),
            scroll_pct: None,
            device_type: 1,
            view_id: view,
            seq,
            detail: None,
            origin: None,
            turn: Turn::Unknown,
            put_back: false,
        }
    }

    #[test]
    fn pieces_of_one_view_amend_one_read() {
        let (mut state, mut steps) = (ReaderState::default(), Vec::new());
        assert_eq!(
            fold_event(&mut state, &mut steps, &read(1, 0, Some("v"), Some(1), 5.0)),
            Outcome::NewRead { previous: None }
        );
        assert_eq!(
            fold_event(&mut state, &mut steps, &read(1, 9, Some("v"), Some(3), 20.0)),
            Outcome::Changed
        );
        assert_eq!(
            fold_event(&mut state, &mut steps, &read(1, 9, Some("v"), Some(2), 15.0)),
            Outcome::Ignored
        );
        assert_eq!((state.reads.len(), state.total_reads), (1, 1));
        assert_eq!((state.reads[0].read_time, state.reads[0].time), (Some(20.0), 0));
        prune(&mut steps);
        assert_eq!(steps.len(), 1);
        assert!(steps[0].new_read && steps[0].read_time == Some(20.0));
    }

    #[test]
    fn an_earlier_read_changes_only_its_row() {
        let (mut state, mut steps) = (ReaderState::default(), Vec::new());
        fold_event(&mut state, &mut steps, &read(1, 0, Some("v"), Some(1), 5.0));
        fold_event(&mut state, &mut steps, &read(2, 10, Some("w"), Some(1), 5.0));
        steps.clear();
        assert_eq!(
            fold_event(&mut state, &mut steps, &read(1, 20, Some("v"), Some(2), 60.0)),
            Outcome::Changed
        );
        assert_eq!((steps.len(), state.reads[0].read_time), (0, Some(60.0)));
    }

    #[test]
    fn positions_count_within_a_visit_and_reads_are_bounded() {
        let (mut state, mut steps) = (ReaderState::default(), Vec::new());
        for number in 0..60 {
            fold_event(&mut state, &mut steps, &read(number, number, None, None, 1.0));
        }
        assert_eq!((state.reads.len(), state.total_reads), (MAX_READS, 60));
        assert_eq!(state.reads.last().map(|read| read.position), Some(60));
        let outcome = fold_event(&mut state, &mut steps, &read(99, 60 + VISIT_GAP_MS, None, None, 1.0));
        assert_eq!(outcome, Outcome::NewRead { previous: None });
        assert_eq!(state.reads.last().map(|read| read.position), Some(1));
    }

    #[test]
    fn what_was_read_before_the_last_reads_is_kept_in_mind_once() {
        let (mut state, mut steps) = (ReaderState::default(), Vec::new());
        let mut time = 0;
        let mut read_all = |state: &mut ReaderState, articles: std::ops::Range<i64>| {
            for article in articles {
                time += 1;
                fold_event(state, &mut steps, &read(article, time, None, None, 1.0));
            }
        };
        read_all(&mut state, 0..60);
        assert_eq!(state.read_before, (0..10).collect::<Vec<i64>>());
        // Read again, and again no longer among the last ones: kept in mind as the latest of them, and once.
        read_all(&mut state, 3..4);
        assert_eq!(state.read_before.last(), Some(&10));
        read_all(&mut state, 100..150);
        assert_eq!(state.read_before.iter().filter(|article| **article == 3).count(), 1);
        assert_eq!(state.read_before.last(), Some(&3));
        read_all(&mut state, 1000..2000);
        assert_eq!(state.read_before.len(), MAX_READ_BEFORE);
        assert_eq!(state.read_before.last(), Some(&1949));
    }
}
