//! How far time has come: in a partition (folded), and in all of them (when read).

use std::time::Duration;

use abovefold_schemas::{Offset, Timestamp, windows::KeptProgress};

use super::window::{TimeDomain, Windowing, bounded, millis};

/// How far a partition has come: a fold of its log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The latest event time; `None` before the first event.
    latest: Option<i64>,
    /// The latest log time.
    log_time: i64,
    /// Events seen.
    pub events: u64,
    /// Those of them that were late.
    pub late: u64,
}

impl Progress {
    /// The watermark: nothing earlier is waited for. `None` before the first event.
    pub fn watermark(&self, windowing: &Windowing) -> Option<Timestamp> {
        self.latest.map(|latest| Timestamp(latest - millis(windowing.out_of_orderness)))
    }

    /// The latest log time that was seen.
    pub fn log_time(&self) -> Timestamp {
        Timestamp(self.log_time)
    }

    /// Folds an event's time and its record's. Both only go forward, whatever comes.
    pub(super) fn see(&mut self, time: i64, log_time: i64) {
        self.log_time = if self.latest.is_none() { log_time } else { self.log_time.max(log_time) };
        self.latest = Some(self.latest.map_or(time, |latest| latest.max(time)));
        self.events += 1;
    }

    /// What is kept of it, if anything was seen.
    pub(super) fn to_message(self, windowing: &Windowing) -> Option<KeptProgress> {
        let (latest, windowing) = (self.latest?, windowing.to_string());
        Some(KeptProgress {
            latest,
            log_time: self.log_time,
            events: self.events,
            late: self.late,
            windowing,
        })
    }

    /// What was kept.
    pub(super) fn of_message(kept: &KeptProgress) -> Self {
        Self {
            latest: Some(bounded(Timestamp(kept.latest))),
            log_time: bounded(Timestamp(kept.log_time)),
            events: kept.events,
            late: kept.late,
        }
    }
}

/// The watermark of all partitions together, as a reader of results sees it.
///
/// It is the least of those of the partitions that are not idle, and never goes back. A partition is idle once its marker has not moved for
/// `idle_after` by the reader's clock. Where all are idle, nothing is waited for: it is the greatest of them.
///
/// In processing time, time goes on where nothing comes: an idle partition is taken to have come to `idle_after` before now. That supposes that
/// the reader's clock is near the log's and the fold less than that behind; where it is not, a result is amended.
#[derive(Clone, Debug)]
pub struct GlobalWatermark {
    domain: TimeDomain,
    idle_after: Duration,
    partitions: Vec<Seen>,
    current: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    marker: Option<Offset>,
    /// When the marker was first seen where it is; `None` before the first look.
    moved: Option<Timestamp>,
    watermark: Option<Timestamp>,
}

impl GlobalWatermark {
    /// Over so many partitions. None is idle before it was looked at for that long.
    pub fn new(partitions: u32, domain: TimeDomain, idle_after: Duration) -> Self {
        let unseen = Seen { marker: None, moved: None, watermark: None };
        Self { domain, idle_after, partitions: vec![unseen; partitions as usize], current: None }
    }

    /// Takes note of where a partition stands.
    ///
    /// # Panics
    /// When there is no such partition.
    pub fn observe(
        &mut self,
        partition: u32,
        marker: Option<Offset>,
        watermark: Option<Timestamp>,
        now: Timestamp,
    ) {
        let seen = &mut self.partitions[partition as usize];
        if seen.marker != marker || seen.moved.is_none() {
            seen.moved = Some(now);
        }
        (seen.marker, seen.watermark) = (marker, watermark);
    }

    /// The global watermark at `now`; `None` while a partition that is not idle has none.
    pub fn advance(&mut self, now: Timestamp) -> Option<Timestamp> {
        let idle_after = millis(self.idle_after);
        let is_active = |seen: &&Seen| seen.moved.is_none_or(|moved| now.millis_since(moved) < idle_after);
        let active = self.partitions.iter().filter(is_active).map(|seen| seen.watermark);
        let idle = self.partitions.len() - active.clone().count();
        let clock = (self.domain == TimeDomain::Processing && idle > 0)
            .then(|| Some(Timestamp(now.0.saturating_sub(idle_after))));
        // `None` is the least of all: a partition of which nothing is known holds everything back.
        let found = match active.chain(clock).min() {
            Some(least) => least,
            None => self.partitions.iter().filter_map(|seen| seen.watermark).max(),
        };
        self.current = self.current.max(found);
        self.current
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_partition_counts_until_it_is_idle() {
        let at = |partition, marker, watermark: i64, now, all: &mut GlobalWatermark| {
            all.observe(partition, Some(Offset(marker)), Some(Timestamp(watermark)), Timestamp(now));
            all.advance(Timestamp(now)).map(|watermark| watermark.0)
        };
        let mut all = GlobalWatermark::new(2, TimeDomain::Event, Duration::from_millis(100));
        // Partition 0   *10       *30          *60
        // Partition 1         *20 (then silent)        *25 (late, but by its own watermark)
        // clock         0    10   20          110      130
        assert_eq!(at(0, 1, 10, 0, &mut all), None, "nothing is known of the other one");
        assert_eq!(at(1, 1, 20, 10, &mut all), Some(10));
        assert_eq!(at(0, 2, 30, 20, &mut all), Some(20));
        assert_eq!(at(0, 3, 60, 109, &mut all), Some(20), "silent for 99 ms");
        assert_eq!(at(0, 3, 60, 110, &mut all), Some(60), "silent for 100 ms");
        assert_eq!(at(1, 2, 25, 130, &mut all), Some(60), "it never goes back");
        assert_eq!(at(0, 4, 90, 140, &mut all), Some(60), "and waits again for the one that woke");
        assert_eq!(all.advance(Timestamp(300)), Some(Timestamp(90)), "all are idle");
    }

    #[test]
    fn processing_time_goes_on_where_nothing_comes() {
        let mut all = GlobalWatermark::new(2, TimeDomain::Processing, Duration::from_millis(100));
        let at = |moment| Some(Timestamp(moment));
        // Partition 0   *1,000 (then silent)
        // Partition 1   nothing at all
        all.observe(0, Some(Offset(1)), at(1_000), Timestamp(1_000));
        all.observe(1, Some(Offset(0)), None, Timestamp(1_000));
        assert_eq!(all.advance(Timestamp(1_050)), None);
        assert_eq!(all.advance(Timestamp(1_100)), at(1_000));
        assert_eq!(all.advance(Timestamp(1_700)), at(1_600));
        // One of them wakes, behind what was supposed: the other one's time is the clock's, and nothing goes back.
        all.observe(0, Some(Offset(2)), at(1_550), Timestamp(1_710));
        assert_eq!(all.advance(Timestamp(1_710)), at(1_600));
    }

    #[test]
    fn time_only_goes_forward() {
        let mut progress = Progress::default();
        for (time, log_time) in [(-5, 10), (7, 9), (3, 12)] {
            progress.see(time, log_time);
        }
        assert_eq!((progress.latest, progress.log_time, progress.events), (Some(7), 12, 3));
    }
}
