//! Kinds of windows, and which an event falls into.

use std::{fmt, time::Duration};

use abovefold_schemas::Timestamp;

use crate::error::{EngineError, Result};

/// Moments are taken to lie within this many milliseconds of 1970, some 36 million years, so that no sum of them overflows.
pub(super) const MOST_MILLIS: i64 = 1 << 60;
/// The most windows that an event may fall into.
const MOST_WINDOWS: u128 = 1_000;

/// A stretch of time: `start` belongs to it, `end` does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeWindow {
    /// Its first moment.
    pub start: Timestamp,
    /// The first moment after it.
    pub end: Timestamp,
}

impl fmt::Display for TimeWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.start, self.end)
    }
}

/// Into which windows events fall. Windows that have a fixed place begin at multiples of their length or slide since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Windows {
    /// One after the other.
    Tumbling {
        /// Of each.
        length: Duration,
    },
    /// Overlapping (hopping): one begins with every `slide`.
    Sliding {
        /// Of each.
        length: Duration,
        /// From one start to the next; at most the length.
        slide: Duration,
    },
    /// Events of one key between which less than `gap` lies. The window ends `gap` after the last of them.
    Session {
        /// What ends a session.
        gap: Duration,
    },
}

/// Whose clock counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeDomain {
    /// The event's own, never later than the log's.
    Event,
    /// The log's own time of the record (log-append time): when the event was taken in. It is no clock of a worker's, so that a replay folds the same.
    Processing,
}

/// What defines a family of windows; a change of it is another fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windowing {
    /// Their kind.
    pub windows: Windows,
    /// Their time.
    pub domain: TimeDomain,
    /// How much earlier than the latest event another one may come without being waited for any longer.
    pub out_of_orderness: Duration,
    /// How long after its end, by the watermark, a window still takes events.
    pub allowed_lateness: Duration,
    /// How long a window is kept once nothing can change it any more, by the log's time.
    pub retention: Duration,
}

impl Windowing {
    /// Windows in event time that wait for nothing, and whose results are kept for a day.
    pub fn of(windows: Windows) -> Self {
        Self {
            windows,
            domain: TimeDomain::Event,
            out_of_orderness: Duration::ZERO,
            allowed_lateness: Duration::ZERO,
            retention: Duration::from_secs(86_400),
        }
    }

    /// Refuses what makes no windows.
    ///
    /// # Errors
    /// When a length, slide or gap is below a millisecond, a slide is longer than its length or makes more than 1,000 windows of each event, or a
    /// duration is beyond 1,000 years.
    pub fn check(&self) -> Result<()> {
        let refuse = |reason: &str| Err(EngineError::user(format!("fold into windows ({self})"), reason));
        let (length, step) = match self.windows {
            Windows::Tumbling { length } => (length, length),
            Windows::Sliding { length, slide } => (length, slide),
            Windows::Session { gap } => (gap, gap),
        };
        if step.as_millis() == 0 {
            return refuse("lengths, slides and gaps are a millisecond or more");
        }
        if step > length {
            return refuse("a slide longer than the windows leaves events out; make it at most their length");
        }
        if length.as_millis().div_ceil(step.as_millis()) > MOST_WINDOWS {
            return refuse("every event would fall into more than 1,000 windows; make the slide longer");
        }
        let thousand_years = Duration::from_secs(1_000 * 366 * 86_400);
        if [length, self.out_of_orderness, self.allowed_lateness, self.retention]
            .iter()
            .any(|d| *d > thousand_years)
        {
            return refuse("durations are at most 1,000 years");
        }
        Ok(())
    }

    /// The windows that an event of this moment falls into, latest start first; of a session the window that it would open alone.
    pub fn windows_of(&self, time: Timestamp) -> Vec<TimeWindow> {
        let window =
            |start: i64, length: i64| TimeWindow { start: Timestamp(start), end: Timestamp(start + length) };
        let (length, slide) = match self.windows {
            Windows::Session { gap } => return vec![window(time.0, millis(gap))],
            Windows::Tumbling { length } => (millis(length), millis(length)),
            Windows::Sliding { length, slide } => (millis(length), millis(slide)),
        };
        let last_start = time.0 - time.0.rem_euclid(slide);
        let starts = std::iter::successors(Some(last_start), |start| Some(start - slide));
        starts.take_while(|start| start + length > time.0).map(|start| window(start, length)).collect()
    }
}

impl fmt::Display for Windowing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.windows {
            Windows::Tumbling { length } => write!(f, "tumbling {length:?}")?,
            Windows::Sliding { length, slide } => write!(f, "sliding {length:?} every {slide:?}")?,
            Windows::Session { gap } => write!(f, "sessions with gaps of {gap:?}")?,
        }
        let domain = match self.domain {
            TimeDomain::Event => "event",
            TimeDomain::Processing => "processing",
        };
        write!(
            f,
            ", {domain} time, out of order by {:?}, late by {:?}, kept {:?}",
            self.out_of_orderness, self.allowed_lateness, self.retention
        )
    }
}

/// A result's place in time, as seen against a watermark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pane {
    /// The watermark has not come to the window's end: more is expected.
    Early,
    /// The watermark has come to the end.
    OnTime,
    /// Events came in after that, within the allowed lateness.
    Late,
}

impl Pane {
    /// Its number in kept values.
    pub(super) fn to_kept(self) -> u32 {
        match self {
            Self::Early => 0,
            Self::OnTime => 1,
            Self::Late => 2,
        }
    }
}

impl fmt::Display for Pane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Early => "early",
            Self::OnTime => "on time",
            Self::Late => "late",
        })
    }
}

/// A duration in milliseconds; [`Windowing::check`] bounds it.
pub(super) fn millis(duration: Duration) -> i64 {
    duration.as_millis() as i64
}

/// A moment that can be reckoned with.
pub(super) fn bounded(time: Timestamp) -> i64 {
    time.0.clamp(-MOST_MILLIS, MOST_MILLIS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(windows: Windows, time: i64) -> Vec<i64> {
        Windowing::of(windows).windows_of(Timestamp(time)).iter().map(|window| window.start.0).collect()
    }

    #[test]
    fn an_event_falls_into_the_windows_around_it() {
        let ms = Duration::from_millis;
        assert_eq!(starts(Windows::Tumbling { length: ms(10) }, 9), [0]);
        assert_eq!(starts(Windows::Tumbling { length: ms(10) }, 10), [10]);
        assert_eq!(starts(Windows::Tumbling { length: ms(10) }, -1), [-10]);
        // |----------|         0 to 10
        //      |----------|    5 to 15
        assert_eq!(starts(Windows::Sliding { length: ms(10), slide: ms(5) }, 7), [5, 0]);
        // A slide that does not divide the length: 4 to 14, 8 to 18, and no longer 0 to 10.
        assert_eq!(starts(Windows::Sliding { length: ms(10), slide: ms(4) }, 10), [8, 4]);
        assert_eq!(starts(Windows::Session { gap: ms(10) }, 7), [7]);
    }

    #[test]
    fn what_makes_no_windows_is_refused_in_one_line() {
        let (ms, zero) = (Duration::from_millis, Duration::ZERO);
        let bad = [
            Windowing::of(Windows::Tumbling { length: zero }),
            Windowing::of(Windows::Session { gap: Duration::from_micros(999) }),
            Windowing::of(Windows::Sliding { length: ms(10), slide: ms(11) }),
            Windowing::of(Windows::Sliding { length: ms(100_000), slide: ms(1) }),
            Windowing { retention: Duration::MAX, ..Windowing::of(Windows::Tumbling { length: ms(1) }) },
        ];
        for windowing in bad {
            let line = windowing.check().unwrap_err().to_string();
            assert!(line.starts_with("fold into windows (") && !line.contains('\n'), "{line}");
        }
        assert!(Windowing::of(Windows::Sliding { length: ms(10), slide: ms(4) }).check().is_ok());
    }
}
