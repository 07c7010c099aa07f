//! Which window takes an event, when it closes, and what is late: told by tables of event times, in the order of the log.
//!
//! In the drawings time runs to the right, each line is a record further down the log, and `~` is where the watermark stands after it.

#![allow(clippy::unwrap_used)] // Tests.

use std::{collections::BTreeMap, time::Duration};

use abovefold_engine::{
    state::{Put, Value},
    time::{Count, OpenWindows, Pane, TimeDomain, TimedEvent, Verdict, Windowing, Windows},
};
use abovefold_schemas::{Kept, Offset, Timestamp, keys::window_of_key, windows::KeptWindow};
use bytes::Bytes;

const NAME: &str = "test";

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// An event of key `k` at `time`, taken in at `log_time`.
fn event(offset: u64, time: i64, log_time: i64) -> TimedEvent<()> {
    keyed("k", offset, time, log_time)
}

fn keyed(key: &'static str, offset: u64, time: i64, log_time: i64) -> TimedEvent<()> {
    TimedEvent {
        offset: Offset(offset),
        log_time: Timestamp(log_time),
        event_time: Some(Timestamp(time)),
        key: Bytes::from_static(key.as_bytes()),
        item: (),
        payload: Bytes::new(),
    }
}

/// What the store holds after the puts.
#[derive(Clone, Debug, Default, PartialEq)]
struct Stored(BTreeMap<Bytes, Value>);

impl Stored {
    fn write(&mut self, puts: Vec<Put>) {
        for put in puts {
            match put.value {
                Some(value) => drop(self.0.insert(put.key, value)),
                None => drop(self.0.remove(&put.key)),
            }
        }
    }

    /// `start..end pane events/late`, in the order of key and start.
    fn windows(&self) -> Vec<String> {
        let panes = ["early", "on time", "late"];
        self.0
            .iter()
            .filter_map(|(key, value)| Some((window_of_key(NAME, key)?.1, value)))
            .map(|(start, value)| {
                let kept = KeptWindow::from_kept(&value.bytes).unwrap();
                assert_eq!(kept.aggregate, kept.events.to_be_bytes(), "the count is that of the events");
                let settled = if kept.settled.is_some() { " settled" } else { "" };
                let late = if kept.late > 0 { format!("/{}", kept.late) } else { String::new() };
                format!("{start}..{} {}{late} {}{settled}", kept.end, kept.events, panes[kept.pane as usize])
            })
            .collect()
    }

    fn load(&self, windowing: Windowing) -> OpenWindows<Count> {
        OpenWindows::load(NAME, windowing, self.0.clone()).unwrap()
    }
}

/// Folds event times (the log's time is far later), and returns which were late and what is stored then.
fn folded(windowing: Windowing, times: &[i64]) -> (Vec<i64>, Vec<String>) {
    let mut windows = OpenWindows::<Count>::new(NAME, windowing).unwrap();
    let late = times
        .iter()
        .zip(0..)
        .filter(|(time, offset)| windows.fold(&event(*offset, **time, 1_000)) != Verdict::Folded)
        .map(|(time, _)| *time)
        .collect();
    let mut stored = Stored::default();
    stored.write(windows.take_changes());
    (late, stored.windows())
}

#[test]
fn a_tumbling_window_closes_once_the_watermark_is_at_its_end() {
    // 0         10        20        30
    // |---------|---------|---------|
    //   *2
    //        *7
    //           ~*11
    let windowing = Windowing::of(Windows::Tumbling { length: ms(10) });
    let (late, stored) = folded(windowing, &[2, 7, 11]);
    assert_eq!(late, [0_i64; 0]);
    assert_eq!(stored, ["0..10 2 on time settled", "10..20 1 early"]);
    // The end does not belong to the window: 10 opens the next one, and closes this one.
    assert_eq!(folded(windowing, &[2, 10]).1, ["0..10 1 on time settled", "10..20 1 early"]);
    assert_eq!(folded(windowing, &[2, 9]).1, ["0..10 2 early"]);
}

#[test]
fn events_out_of_order_are_waited_for_within_the_bound() {
    // 0         10        20
    // |---------|---------|
    //   *2
    //        ~   *12               (the watermark is 5 behind)
    //       *8                     taken in, though it is behind the latest
    //             ~    *16
    //        *9                    late
    let windowing =
        Windowing { out_of_orderness: ms(5), ..Windowing::of(Windows::Tumbling { length: ms(10) }) };
    let (late, stored) = folded(windowing, &[2, 12, 8, 16, 9]);
    assert_eq!(late, [9]);
    assert_eq!(stored, ["0..10 2 on time settled", "10..20 2 early"]);
}

#[test]
fn a_closed_window_takes_late_events_within_the_allowed_lateness_and_says_so() {
    // 0         10        20
    // |---------|---------|
    //   *2
    //           ~*11               closes
    //     *4                       amends
    //              ~*14            10 + 4: settles
    //      *5                      late
    let windowing =
        Windowing { allowed_lateness: ms(4), ..Windowing::of(Windows::Tumbling { length: ms(10) }) };
    assert_eq!(folded(windowing, &[2, 11]).1, ["0..10 1 on time", "10..20 1 early"]);
    assert_eq!(folded(windowing, &[2, 11, 4]).1, ["0..10 2/1 late", "10..20 1 early"]);
    let (late, stored) = folded(windowing, &[2, 11, 4, 14, 5]);
    assert_eq!(late, [5]);
    assert_eq!(stored, ["0..10 2/1 late settled", "10..20 2 early"]);
    // A window that is opened only after its end is late from the start.
    assert_eq!(folded(windowing, &[11, 4]).1, ["0..10 1/1 late", "10..20 1 early"]);
}

#[test]
fn sliding_windows_overlap_and_close_one_by_one() {
    // 0    5    10   15   20
    // |---------|
    //      |---------|
    //           |---------|
    //        *7                    in 0..10 and 5..15
    //            ~*12              in 5..15 and 10..20; closes 0..10
    //         *8                   only in 5..15
    let windowing = Windowing::of(Windows::Sliding { length: ms(10), slide: ms(5) });
    let (late, stored) = folded(windowing, &[7, 12, 8]);
    assert_eq!(late, [0_i64; 0], "one of its windows is open");
    assert_eq!(stored, ["0..10 1 on time settled", "5..15 3 early", "10..20 1 early"]);
    assert_eq!(folded(windowing, &[7, 12, 1]).0, [1], "none of its windows is open");
}

#[test]
fn a_session_goes_on_until_the_gap_and_one_event_may_join_two() {
    let windowing =
        Windowing { out_of_orderness: ms(100), ..Windowing::of(Windows::Session { gap: ms(10) }) };
    // 0         10        20        30
    // *0--------|
    //        *7---------|
    assert_eq!(folded(windowing, &[0, 7]).1, ["0..17 2 early"]);
    // *0--------|
    //           *10-------|        exactly the gap later: another one
    assert_eq!(folded(windowing, &[0, 10]).1, ["0..10 1 early", "10..20 1 early"]);
    // *0--------|
    //               *14-------|
    //         *8--------|          joins both
    assert_eq!(folded(windowing, &[0, 14]).1, ["0..10 1 early", "14..24 1 early"]);
    assert_eq!(folded(windowing, &[0, 14, 8]).1, ["0..24 3 early"]);
    //       *6--------|
    // *0--------|                  begins earlier than it did
    assert_eq!(folded(windowing, &[6, 0]).1, ["0..16 2 early"]);
}

#[test]
fn sessions_that_were_stored_and_became_one_leave_no_key_behind() {
    let windowing =
        Windowing { out_of_orderness: ms(100), ..Windowing::of(Windows::Session { gap: ms(10) }) };
    let mut windows = OpenWindows::<Count>::new(NAME, windowing).unwrap();
    let mut stored = Stored::default();
    for (offset, time) in [(0, 0), (1, 14)] {
        windows.fold(&event(offset, time, 1_000));
        stored.write(windows.take_changes());
    }
    assert_eq!(stored.windows(), ["0..10 1 early", "14..24 1 early"]);
    windows.fold(&event(2, 8, 1_000));
    let puts = windows.take_changes();
    assert_eq!(
        puts.iter().filter(|put| put.value.is_none()).count(),
        1,
        "14..24 is removed in the same epoch"
    );
    stored.write(puts);
    assert_eq!(stored.windows(), ["0..24 3 early"]);
    // Begins earlier: its name changes.
    windows.fold(&event(3, -5, 1_000));
    stored.write(windows.take_changes());
    assert_eq!(stored.windows(), ["-5..24 4 early"]);
}

#[test]
fn a_session_is_closed_by_time_and_reopened_within_the_allowed_lateness() {
    // 0         10        20        30
    // *0--------|
    //            ~*12-------|      another key: closes 0..10
    //        *7---------|          within the lateness: the session goes on to 17, and is open again
    let windowing = Windowing { allowed_lateness: ms(20), ..Windowing::of(Windows::Session { gap: ms(10) }) };
    let mut windows = OpenWindows::<Count>::new(NAME, windowing).unwrap();
    windows.fold(&keyed("a", 0, 0, 1_000));
    windows.fold(&keyed("b", 1, 12, 1_000));
    let mut stored = Stored::default();
    stored.write(windows.take_changes());
    assert_eq!(stored.windows(), ["0..10 1 on time", "12..22 1 early"]);
    windows.fold(&keyed("a", 2, 7, 1_000));
    stored.write(windows.take_changes());
    assert_eq!(stored.windows(), ["0..17 2/1 early", "12..22 1 early"]);
    windows.fold(&keyed("b", 3, 18, 1_000));
    stored.write(windows.take_changes());
    assert_eq!(stored.windows(), ["0..17 2/1 late", "12..28 2 early"]);
}

#[test]
fn a_clients_future_does_not_drag_the_watermark_along() {
    // Log time       5        6        7
    // Event time     *2       *9,000   *4     The second one counts as of 6, so that nothing is late.
    let windowing = Windowing::of(Windows::Tumbling { length: ms(10) });
    let mut windows = OpenWindows::<Count>::new(NAME, windowing).unwrap();
    for (offset, time, log_time) in [(0, 2, 5), (1, 9_000, 6), (2, 4, 7)] {
        assert_eq!(windows.fold(&event(offset, time, log_time)), Verdict::Folded);
    }
    assert_eq!(windows.progress().watermark(&windowing), Some(Timestamp(6)));
    // No number that a client can send breaks the reckoning.
    for (offset, time) in [(3, i64::MAX), (4, i64::MIN), (5, -1), (6, 0)] {
        windows.fold(&event(offset, time, 8));
    }
    assert_eq!(windows.progress().watermark(&windowing), Some(Timestamp(8)));
    assert_eq!(windows.progress().late, 2, "those before 0, whose windows are over");
    windows.fold(&event(7, i64::MAX, i64::MAX));
    windows.fold(&event(8, i64::MIN, i64::MIN));
}

#[test]
fn an_event_without_a_time_has_its_records() {
    let windowing = Windowing::of(Windows::Tumbling { length: ms(10) });
    let mut windows = OpenWindows::<Count>::new(NAME, windowing).unwrap();
    windows.fold(&TimedEvent { event_time: None, ..event(0, 0, 25) });
    let mut stored = Stored::default();
    stored.write(windows.take_changes());
    assert_eq!(stored.windows(), ["20..30 1 early"]);
}

#[test]
fn processing_time_is_the_logs_and_no_clock() {
    let windowing =
        Windowing { domain: TimeDomain::Processing, ..Windowing::of(Windows::Tumbling { length: ms(10) }) };
    let mut windows = OpenWindows::<Count>::new(NAME, windowing).unwrap();
    // What the events claim (1, 2, 3) does not matter.
    for (offset, log_time) in [(0, 11), (1, 19), (2, 20)] {
        assert_eq!(windows.fold(&event(offset, offset as i64 + 1, log_time)), Verdict::Folded);
    }
    let mut stored = Stored::default();
    stored.write(windows.take_changes());
    assert_eq!(stored.windows(), ["10..20 2 on time settled", "20..30 1 early"]);
}

#[test]
fn a_restart_in_mid_window_goes_on_as_if_nothing_had_happened() {
    // 0         10        20        30
    // |---------|---------|---------|
    //   *2   *7
    //     restart (or another worker)
    //      *5   ~*11   *8 (amends)
    //     restart
    //                         ~*25
    let windowing = Windowing {
        allowed_lateness: ms(5),
        retention: ms(50),
        ..Windowing::of(Windows::Tumbling { length: ms(10) })
    };
    let times = [2, 7, 5, 11, 8, 25, 70, 76];
    let mut at_once = OpenWindows::<Count>::new(NAME, windowing).unwrap();
    let mut expected = Stored::default();
    let mut stored = Stored::default();
    for (time, offset) in times.into_iter().zip(0..) {
        at_once.fold(&event(offset, time, time));
        expected.write(at_once.take_changes());
        // The one that is started again before every event.
        let mut again = stored.load(windowing);
        again.fold(&event(offset, time, time));
        stored.write(again.take_changes());
        assert_eq!(stored, expected, "after offset {offset}");
    }
    // The log's time is 76: what had settled by 26 is gone.
    assert_eq!(stored.windows(), ["20..30 1 on time settled", "70..80 2 early"]);
}

#[test]
fn what_was_folded_otherwise_is_refused_in_one_line() {
    let windowing = Windowing::of(Windows::Tumbling { length: ms(10) });
    let mut windows = OpenWindows::<Count>::new(NAME, windowing).unwrap();
    windows.fold(&event(0, 1, 1));
    let mut stored = Stored::default();
    stored.write(windows.take_changes());
    let longer = Windowing::of(Windows::Tumbling { length: ms(20) });
    let line = OpenWindows::<Count>::load(NAME, longer, stored.0.clone()).unwrap_err().to_string();
    assert!(
        line.contains("tumbling 20ms") && line.contains("tumbling 10ms") && !line.contains('\n'),
        "{line}"
    );
    // The windows of another name under the same tag are passed over.
    assert!(OpenWindows::<Count>::load("other", longer, stored.0.clone()).unwrap().is_empty());
    let broken = stored.0.iter().map(|(key, value)| {
        (key.clone(), Value { version: value.version, bytes: Bytes::from_static(b"\x63") })
    });
    let line = OpenWindows::<Count>::load(NAME, windowing, broken).unwrap_err().to_string();
    assert!(line.contains("format version 99"), "{line}");
    assert!(OpenWindows::<Count>::new("Bad/name", windowing).is_err());
    assert_eq!(Pane::OnTime.to_string(), "on time");
}
