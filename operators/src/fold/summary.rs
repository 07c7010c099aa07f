//! The fold of a partition as a whole: its watermark, and which copies it has taken in.

use abovefold_schemas::{
    Offset, ReaderId, Timestamp,
    batch::{EventRow, Turn},
    state::{DeadRange, Origin, PartitionSummary},
};

use crate::metrics::COPIES_OUT_OF_TURN;

/// The most ranges of dead records that are remembered; the earliest are forgotten first.
pub const MAX_DEAD_RANGES: usize = 1_024;

/// Where a partition's fold began, which decides about copies whose forerunners it may never see.
#[derive(Clone, Copy, Debug)]
pub struct Begin {
    /// The partition.
    pub partition: u32,
    /// The first offset folded.
    pub first: Offset,
}

/// What becomes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is folded.
    Counts,
    /// It is not, and the summary remembers it.
    Noted,
    /// Nothing changes.
    Ignored,
}

/// Whether a row counts; see [`take`].
pub fn counts(summary: &mut PartitionSummary, row: &EventRow<'_>, begin: Begin) -> bool {
    take(summary, row, begin) == Taken::Counts
}

/// Takes a row in. A copy, or what was put back from the dead letters, counts once; this is noted.
///
/// The intake passes strays on in order, but its sends may fail in part, arrive late and be repeated. Each copy names the one before it, so that
/// they are taken in turn: the highest origin of each source tells repeats, and one whose forerunner is missing is left for when the intake,
/// whose marker has not passed it, sends it again. What was put back comes in any order, so each is remembered.
pub fn take(summary: &mut PartitionSummary, row: &EventRow<'_>, begin: Begin) -> Taken {
    let Some(origin) = row.origin else { return Taken::Counts };
    if row.put_back {
        return take_put_back(summary, origin, begin);
    }
    let place = summary.origins.binary_search_by_key(&origin.partition, |known| known.partition);
    let highest = place.ok().map(|place| summary.origins[place].offset);
    if highest.is_some_and(|highest| highest >= origin.offset) {
        return Taken::Ignored;
    }
    let in_turn = match (row.turn, highest) {
        (Turn::Unknown | Turn::First, _) => true,
        (Turn::After(before), Some(highest)) => highest >= before,
        // A fold that began in the middle never sees the first ones.
        (Turn::After(_), None) => begin.first > Offset(0),
    };
    if !in_turn {
        metrics::counter!(COPIES_OUT_OF_TURN).increment(1);
        return Taken::Ignored;
    }
    match place {
        Ok(place) => summary.origins[place].offset = origin.offset,
        Err(place) => summary.origins.insert(place, origin),
    }
    // It may have been dead to an older intake, and put back then.
    if place_of(&summary.put_back, origin).is_ok() { Taken::Noted } else { Taken::Counts }
}

fn take_put_back(summary: &mut PartitionSummary, origin: Origin, begin: Begin) -> Taken {
    // An original that is an event to this fold was folded where it lies.
    let folded_here = origin.partition == begin.partition
        && origin.offset >= begin.first.0
        && !was_dead(summary, origin.offset);
    if folded_here {
        return Taken::Ignored;
    }
    match place_of(&summary.put_back, origin) {
        Ok(_) => Taken::Ignored,
        Err(place) => {
            summary.put_back.insert(place, origin);
            Taken::Counts
        }
    }
}

fn place_of(origins: &[Origin], origin: Origin) -> Result<usize, usize> {
    origins.binary_search_by_key(&(origin.partition, origin.offset), |o| (o.partition, o.offset))
}

fn was_dead(summary: &PartitionSummary, offset: u64) -> bool {
    let after = summary.dead.partition_point(|range| range.first <= offset);
    match after.checked_sub(1).map(|place| summary.dead[place]) {
        Some(range) => offset <= range.last,
        // Earlier ones may have been forgotten.
        None => summary.dead.len() == MAX_DEAD_RANGES,
    }
}

/// Notes a record that is no event.
pub fn note_dead(summary: &mut PartitionSummary, offset: Offset) {
    match summary.dead.last_mut() {
        Some(range) if range.last + 1 == offset.0 => range.last = offset.0,
        _ => summary.dead.push(DeadRange { first: offset.0, last: offset.0 }),
    }
    if summary.dead.len() > MAX_DEAD_RANGES {
        summary.dead.remove(0);
    }
}

/// Counts a read.
pub fn note_read(summary: &mut PartitionSummary, time: Timestamp) {
    summary.reads += 1;
    summary.watermark = summary.watermark.max(time.0);
}

/// Takes a reader out of the list of those seen last, as it is kept; returns whether it was there.
pub fn remove(summary: &mut PartitionSummary, reader: &ReaderId) -> bool {
    let place = summary.active.iter().position(|active| active.user_id == reader.as_str());
    place.map(|place| summary.active.remove(place)).is_some()
}

#[cfg(test)]
mod tests {
    use abovefold_schemas::{ArticleId, EventKind};

    use super::*;

    fn copy(origin: u64, turn: Turn, put_back: bool) -> EventRow<'static> {
        EventRow {
            offset: Offset(900),
            log_time: Timestamp(0),
            event_time: Timestamp(0),
            user_id: "ann",
            kind: EventKind::Read,
            article_id: Some(ArticleId(1)),
            read_time: None,
            scroll_pct: None,
            device_type: 0,
            view_id: None,
            seq: None,
            detail: None,
            origin: Some(Origin { partition: 1, offset: origin }),
            turn,
            put_back,
        }
    }

    const BEGIN: Begin = Begin { partition: 0, first: Offset(0) };

    #[test]
    fn copies_count_once_and_in_turn() {
        let mut summary = PartitionSummary::default();
        let mut take = |origin, turn| counts(&mut summary, &copy(origin, turn, false), BEGIN);
        // The send of 3 failed, that of 7 arrived late; then the intake sends all of them again.
        assert!(!take(7, Turn::After(3)));
        assert!(take(3, Turn::First));
        assert!(take(7, Turn::After(3)));
        assert!(!take(3, Turn::First) && !take(7, Turn::After(3)));
        assert!(!take(12, Turn::After(9)) && take(9, Turn::After(7)) && take(12, Turn::After(9)));
    }

    #[test]
    fn a_fold_that_began_in_the_middle_takes_the_first_copy_that_it_sees() {
        let mut summary = PartitionSummary::default();
        let begin = Begin { partition: 0, first: Offset(100) };
        assert!(counts(&mut summary, &copy(7, Turn::After(3), false), begin));
        assert!(!counts(&mut summary, &copy(12, Turn::After(9), false), begin));
    }

    #[test]
    fn what_was_put_back_counts_once_and_only_where_its_original_was_dead() {
        let mut summary = PartitionSummary::default();
        [4, 5, 9].into_iter().for_each(|offset| note_dead(&mut summary, Offset(offset)));
        assert_eq!(summary.dead, [DeadRange { first: 4, last: 5 }, DeadRange { first: 9, last: 9 }]);
        let here = Begin { partition: 1, first: Offset(2) };
        let mut take = |origin| counts(&mut summary, &copy(origin, Turn::Unknown, true), here);
        assert!(take(5) && !take(5), "it counts once");
        assert!(!take(6), "an event of this fold was folded where it lies");
        assert!(take(1), "what lies before the fold's begin was not");
        let elsewhere = Begin { partition: 2, first: Offset(2) };
        assert!(counts(&mut summary, &copy(6, Turn::Unknown, true), elsewhere));
        assert!(!counts(&mut summary, &copy(6, Turn::First, false), elsewhere), "a later copy is a repeat");
    }
}
