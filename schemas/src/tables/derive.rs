//! Events out of histories and impressions, and into the order of time.

use std::collections::HashMap;
use std::sync::Arc;

use super::{EventRow, HindsightRow, HistoryRow, Rows, TableError};
use crate::ids::{ArticleId, ReaderId, Timestamp};

/// A click and an entry of a history are one read when the page was opened within this time of the
/// impression. An impression stays on the screen for a while before it is clicked.
const SAME_READ_MILLIS: i64 = 60 * 60 * 1000;

/// A read while it waits to be sorted: small, since all of them are in memory at once.
#[derive(Clone, Copy, Debug)]
struct Read {
    opened: i64,
    left: i64,
    article: i64,
    reader: u32,
    read_time: Option<f32>,
    scroll_pct: Option<f32>,
    device_type: i8,
    from_click: bool,
}

/// Readers by small numbers, in the order in which they first appear.
#[derive(Default)]
struct Readers {
    numbers: HashMap<Arc<ReaderId>, u32>,
    ids: Vec<Arc<ReaderId>>,
}

impl Readers {
    fn number(&mut self, reader: ReaderId) -> u32 {
        if let Some(number) = self.numbers.get(&reader) {
            return *number;
        }
        let number = u32::try_from(self.ids.len()).expect("fewer than 2^32 readers fit into memory");
        let reader = Arc::new(reader);
        self.ids.push(Arc::clone(&reader));
        self.numbers.insert(reader, number);
        number
    }
}

/// The reads that histories and clicks tell of, each once, in the order of time.
pub(super) fn events(
    histories: impl Iterator<Item = Result<HistoryRow, TableError>>,
    behaviors: impl Iterator<Item = Result<HindsightRow, TableError>>,
) -> Result<Rows<EventRow>, TableError> {
    let mut readers = Readers::default();
    let mut reads = Vec::new();
    for history in histories {
        let history = history?;
        let reader = readers.number(history.reader);
        reads.extend(history.reads.iter().map(|read| Read {
            opened: read.impression_time.0,
            left: left(read.impression_time, read.read_time),
            article: read.article_id.0,
            reader,
            read_time: read.read_time,
            scroll_pct: read.scroll_percentage,
            device_type: 0,
            from_click: false,
        }));
    }
    for behavior in behaviors {
        let HindsightRow { behavior, next_read_time, next_scroll_percentage } = behavior?;
        let reader = readers.number(behavior.reader);
        for (place, article) in behavior.clicked.iter().enumerate() {
            // The telemetry belongs to the page that was opened next, so only to the first of several.
            let (read_time, scroll_pct) =
                if place == 0 { (next_read_time, next_scroll_percentage) } else { (None, None) };
            reads.push(Read {
                opened: behavior.impression_time.0,
                left: left(behavior.impression_time, read_time),
                article: article.0,
                reader,
                read_time,
                scroll_pct,
                device_type: behavior.device_type,
                from_click: true,
            });
        }
    }
    Ok(in_order(once_each(reads), readers))
}

/// Events in the order of time.
pub(super) fn sorted(
    events: impl Iterator<Item = Result<EventRow, TableError>>,
) -> Result<Rows<EventRow>, TableError> {
    let mut readers = Readers::default();
    let mut reads = Vec::new();
    for event in events {
        let event = event?;
        reads.push(Read {
            opened: event.timestamp.0,
            left: event.timestamp.0,
            article: event.article_id.0,
            reader: readers.number(event.reader),
            read_time: event.read_time,
            scroll_pct: event.scroll_pct,
            device_type: event.device_type,
            from_click: false,
        });
    }
    Ok(in_order(reads, readers))
}

/// When a page opened at `opened` was left: always later, so that no impression knows of its own click.
fn left(opened: Timestamp, read_time: Option<f32>) -> i64 {
    let seconds = read_time.filter(|seconds| seconds.is_finite() && *seconds > 0.0).unwrap_or(0.0);
    opened.0 + ((f64::from(seconds) * 1000.0).round() as i64).max(1)
}

/// Drops an entry that is the same as the one before it, and a click that is an entry of a history as well.
/// What is left of such a pair is the history's, which knows when the page was opened, with the click's
/// device.
fn once_each(mut reads: Vec<Read>) -> Vec<Read> {
    reads.sort_by_key(|read| (read.reader, read.article, read.from_click, read.opened));
    let mut kept: Vec<Read> = Vec::with_capacity(reads.len());
    for same in reads.chunk_by(|a, b| (a.reader, a.article) == (b.reader, b.article)) {
        let first = kept.len();
        for read in same {
            let known = kept[first..].iter_mut().find(|known| {
                let later = known.opened - read.opened;
                later == 0
                    || (read.from_click && !known.from_click && (0..=SAME_READ_MILLIS).contains(&later))
            });
            match known {
                Some(known) if known.device_type == 0 => known.device_type = read.device_type,
                Some(_) => {}
                None => kept.push(*read),
            }
        }
    }
    kept
}

fn in_order(mut reads: Vec<Read>, readers: Readers) -> Rows<EventRow> {
    reads.sort_by_key(|read| (read.left, read.reader, read.article));
    let ids = readers.ids;
    Box::new(reads.into_iter().map(move |read| {
        Ok(EventRow {
            reader: ReaderId::clone(&ids[read.reader as usize]),
            article_id: ArticleId(read.article),
            read_time: read.read_time,
            scroll_pct: read.scroll_pct,
            device_type: read.device_type,
            timestamp: Timestamp(read.left),
        })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::{BehaviorRow, HistoryRead};

    fn history(opened: i64, article: i64) -> Result<HistoryRow, TableError> {
        let read = HistoryRead {
            impression_time: Timestamp(opened),
            scroll_percentage: Some(50.0),
            article_id: ArticleId(article),
            read_time: Some(2.5),
        };
        Ok(HistoryRow { reader: ReaderId::new("7").unwrap(), reads: vec![read] })
    }

    fn click(shown: i64, article: i64) -> Result<HindsightRow, TableError> {
        let behavior = BehaviorRow {
            impression_id: 1,
            article_id: None,
            impression_time: Timestamp(shown),
            read_time: None,
            scroll_percentage: None,
            device_type: 2,
            in_view: vec![ArticleId(article)],
            clicked: vec![ArticleId(article)],
            reader: ReaderId::new("7").unwrap(),
            is_sso_user: false,
            gender: None,
            postcode: None,
            age: None,
            is_subscriber: false,
            session_id: 1,
        };
        Ok(HindsightRow::new(behavior, Some(4.0), None))
    }

    #[test]
    fn a_read_told_twice_counts_once() {
        let told = events(
            vec![history(1_000, 1), history(1_000, 1), history(9_000, 1)].into_iter(),
            vec![click(500, 1), click(100_000, 1), click(0, 2)].into_iter(),
        );
        let told: Vec<EventRow> = told.unwrap().collect::<Result<_, _>>().unwrap();
        let seen: Vec<_> =
            told.iter().map(|event| (event.timestamp.0, event.article_id.0, event.device_type)).collect();
        assert_eq!(seen, [(3_500, 1, 2), (4_000, 2, 2), (11_500, 1, 0), (104_000, 1, 2)]);
    }

    #[test]
    fn an_event_is_later_than_its_impression() {
        let mut silent = click(500, 1).unwrap();
        silent.next_read_time = None;
        let told = events(std::iter::empty(), std::iter::once(Ok(silent))).unwrap();
        assert_eq!(told.map(|event| event.unwrap().timestamp.0).collect::<Vec<_>>(), [501]);
    }
}
