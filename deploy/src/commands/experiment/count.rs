//! Slates joined with the reads that name them, and counted reader by reader.
//!
//! A part of the log at a time, in which a reader is whole: first all its events, of which only what names a slate is kept, then its slates, which
//! go by. So memory grows with the reads of slates, the ids of slates and the readers of one part, 10 to 50 bytes each.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, RandomState},
};

use abovefold_operators::query::Experiment;
use abovefold_schemas::{Event, EventKind, ReaderId, Timestamp, records::Impression};

use super::ratio::Sums;
use crate::cli::ReportBy;

/// Which slates are counted, and how they are grouped.
#[derive(Clone, Debug)]
pub struct Which {
    pub by: ReportBy,
    /// Served at this moment or later.
    pub from: Option<Timestamp>,
    /// Served before this moment.
    pub until: Option<Timestamp>,
    /// The one that is configured, by which slates are found that were served in another arm than it gives their reader.
    pub experiment: Option<Experiment>,
}

/// The slates of a group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// The arm, or the path that served.
    pub name: String,
    /// Readers, slates and reads.
    pub sums: Sums,
    /// Slates that at least one read names.
    pub clicked: u64,
}

/// What was counted.
#[derive(Debug)]
pub struct Count {
    which: Which,
    /// In the order in which they were met; there are few.
    pub groups: Vec<Group>,
    /// All readers with a slate.
    pub readers: u64,
    /// Those with slates in several groups.
    pub in_several: u64,
    /// Slates that were served in another arm than the configuration gives their reader.
    pub moved: u64,
    /// Impressions whose id had come before.
    pub repeated: u64,
    part: Part,
}

/// One part of the log. Ids and readers are known by 64 bits of a keyed hash.
#[derive(Debug, Default)]
struct Part {
    hash: RandomState,
    /// Reads of articles that name a slate of their reader, until that slate comes.
    reads: HashSet<(u64, i64)>,
    slates: HashSet<u64>,
    /// The slates and reads of a reader in a group.
    readers: HashMap<u64, Vec<OfReader>>,
}

#[derive(Debug)]
struct OfReader {
    /// Its place in [`Count::groups`].
    group: usize,
    slates: u64,
    reads: u64,
}

impl Count {
    /// Nothing yet.
    pub fn new(which: Which) -> Self {
        let (groups, part) = (Vec::new(), Part::default());
        Self { which, groups, readers: 0, in_several: 0, moved: 0, repeated: 0, part }
    }

    /// Takes an event of the part. Whatever its time, it came after the slate that it names: only the slate told the id.
    pub fn event(&mut self, event: &Event) {
        if let (EventKind::Read, Some(id), Some(article)) =
            (event.kind, &event.impression_id, event.article_id)
        {
            let slate = self.part.slate(event.user_id.as_str(), id);
            self.part.reads.insert((slate, article.0));
        }
    }

    /// Takes a slate, once all events of the part were taken.
    pub fn slate(&mut self, slate: &Impression) {
        let served = Timestamp(slate.time);
        if self.which.from.is_some_and(|from| served < from)
            || self.which.until.is_some_and(|until| served >= until)
        {
            return;
        }
        let id = self.part.slate(&slate.user_id, &slate.impression_id);
        if !self.part.slates.insert(id) {
            self.repeated += 1;
            return;
        }
        // A read is taken out as it is counted: several pieces of one view, or a second event, count once.
        let was_read = |article: &i64| self.part.reads.remove(&(id, *article));
        let reads = slate.shown.iter().map(|shown| shown.article_id).filter(was_read).count() as u64;
        self.moved += u64::from(self.was_moved(slate));
        let group = self.group(match self.which.by {
            ReportBy::Arm => &slate.arm,
            ReportBy::ServedBy => &slate.served_by,
        });
        self.groups[group].clicked += u64::from(reads > 0);
        let reader = self.part.hash.hash_one(&slate.user_id);
        let of_reader = self.part.readers.entry(reader).or_default();
        match of_reader.iter_mut().find(|one| one.group == group) {
            Some(one) => (one.slates, one.reads) = (one.slates + 1, one.reads + reads),
            None => of_reader.push(OfReader { group, slates: 1, reads }),
        }
    }

    /// Adds the readers of the part, and forgets it.
    pub fn end_part(&mut self) {
        for groups in std::mem::take(&mut self.part).readers.into_values() {
            self.readers += 1;
            self.in_several += u64::from(groups.len() > 1);
            for OfReader { group, slates, reads } in groups {
                self.groups[group].sums.add(slates, reads);
            }
        }
    }

    /// The place of the group of this name.
    fn group(&mut self, name: &str) -> usize {
        self.groups.iter().position(|group| group.name == name).unwrap_or_else(|| {
            self.groups.push(Group { name: name.to_owned(), ..Group::default() });
            self.groups.len() - 1
        })
    }

    /// Whether the configuration puts the slate's reader elsewhere, or has no such arm.
    fn was_moved(&self, slate: &Impression) -> bool {
        let Some(experiment) = self.which.experiment.as_ref().filter(|_| !slate.arm.is_empty()) else {
            return false;
        };
        ReaderId::new(&slate.user_id).is_ok_and(|reader| experiment.arm_of(&reader).name != slate.arm)
    }
}

impl Part {
    /// The hash of a slate's id and its reader: who names the slate of another reader reads nothing of it.
    fn slate(&self, reader: &str, id: &str) -> u64 {
        self.hash.hash_one((reader, id))
    }
}

#[cfg(test)]
mod tests {
    use abovefold_operators::query::{Arm, QuerySettings};
    use abovefold_schemas::{ArticleId, records::Shown};

    use super::*;

    fn slate(id: &str, reader: &str, arm: &str, articles: &[i64]) -> Impression {
        let shown = articles.iter().map(|article| Shown { article_id: *article, ..Shown::default() });
        Impression {
            impression_id: id.into(),
            user_id: reader.into(),
            time: 1_000,
            arm: arm.into(),
            served_by: "knn".into(),
            shown: shown.collect(),
            ..Impression::default()
        }
    }

    fn read(reader: &str, slate: &str, article: i64) -> Event {
        let mut event = Event::read(ReaderId::new(reader).unwrap(), ArticleId(article));
        event.impression_id = Some(slate.into());
        event
    }

    fn counted(which: Which, events: &[Event], slates: &[Impression]) -> Count {
        let mut count = Count::new(which);
        events.iter().for_each(|event| count.event(event));
        slates.iter().for_each(|slate| count.slate(slate));
        count.end_part();
        count
    }

    fn all(by: ReportBy) -> Which {
        Which { by, from: None, until: None, experiment: None }
    }

    /// Readers, slates, reads, slates with a read.
    fn numbers(count: &Count, group: &str) -> [u64; 4] {
        let group = count.groups.iter().find(|one| one.name == group).unwrap();
        [group.sums.readers, group.sums.slates, group.sums.reads, group.clicked]
    }

    #[test]
    fn a_read_counts_once_and_only_for_the_slate_of_its_reader_that_showed_the_article() {
        let events = [
            read("ann", "s1", 1),
            // A later piece of the same view, and another article of the slate.
            read("ann", "s1", 1),
            read("ann", "s1", 2),
            // Not on it, of another reader's slate, of no slate that there is, and with no slate.
            read("ann", "s1", 9),
            read("ben", "s2", 1),
            read("ben", "s9", 1),
            Event::read(ReaderId::new("ben").unwrap(), ArticleId(3)),
            Event { kind: EventKind::Preferences, ..read("ann", "s2", 2) },
        ];
        let slates = [
            slate("s1", "ann", "a", &[1, 2, 3]),
            slate("s2", "ann", "a", &[1, 2, 3]),
            // The same id again, as after an append that was sent twice.
            slate("s1", "ann", "a", &[1, 2, 3]),
            slate("s3", "ben", "b", &[1, 2, 3]),
        ];
        let count = counted(all(ReportBy::Arm), &events, &slates);
        assert_eq!(numbers(&count, "a"), [1, 2, 2, 1]);
        assert_eq!(numbers(&count, "b"), [1, 1, 0, 0]);
        assert_eq!((count.readers, count.repeated, count.in_several), (2, 1, 0));
    }

    #[test]
    fn a_slate_counts_by_its_time_and_its_reads_whenever_they_came() {
        let mut late = read("ann", "s1", 1);
        late.timestamp = Some(Timestamp(5_000));
        // A client's clock may go wrong: the id proves that the slate came first.
        let mut early = read("ann", "s1", 2);
        early.timestamp = Some(Timestamp(10));
        let of = |from, until| {
            let which =
                Which { from: Some(Timestamp(from)), until: Some(Timestamp(until)), ..all(ReportBy::Arm) };
            counted(which, &[late.clone(), early.clone()], &[slate("s1", "ann", "a", &[1, 2])])
        };
        assert_eq!(numbers(&of(1_000, 1_001), "a"), [1, 1, 2, 1]);
        assert!(of(1_001, 9_000).groups.is_empty() && of(0, 1_000).groups.is_empty());
    }

    #[test]
    fn slates_are_grouped_by_what_served_them_too_and_moved_readers_are_seen() {
        let arm = |name: &str| Arm { name: name.into(), weight: 1.0, settings: QuerySettings::default() };
        let experiment = Experiment::new("x", vec![arm("a"), arm("b")]).unwrap();
        let at_home = experiment.arm_of(&ReaderId::new("ann").unwrap()).name.clone();
        let away = if at_home == "a" { "b" } else { "a" };
        let slates = [
            slate("s1", "ann", &at_home, &[1]),
            slate("s2", "ann", away, &[1]),
            slate("s3", "ann", "c", &[1]),
            slate("s4", "ann", "", &[1]),
        ];
        let which = Which { experiment: Some(experiment), ..all(ReportBy::Arm) };
        let count = counted(which, &[], &slates);
        assert_eq!((count.moved, count.in_several, count.readers, count.groups.len()), (2, 1, 1, 4));
        let count = counted(all(ReportBy::ServedBy), &[read("ann", "s3", 1)], &slates);
        assert_eq!(numbers(&count, "knn"), [1, 4, 1, 1]);
    }

    #[test]
    fn parts_add_up() {
        let mut count = Count::new(all(ReportBy::Arm));
        for (reader, id) in [("ann", "s1"), ("ben", "s2")] {
            count.event(&read(reader, id, 1));
            count.slate(&slate(id, reader, "a", &[1]));
            count.end_part();
        }
        assert_eq!(numbers(&count, "a"), [2, 2, 2, 2]);
    }
}
