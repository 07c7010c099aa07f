//! Days and hours in words and in habits.

use abovefold_schemas::Timestamp;

/// Milliseconds of an hour.
pub(super) const HOUR: i64 = 60 * 60 * 1000;
/// Milliseconds of a day.
pub(super) const DAY: i64 = 24 * HOUR;

const DAY_NAMES: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTH_NAMES: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// How much is published in each hour of the day (UTC): little at night, most before breakfast and in the
/// afternoon.
pub(super) const PUBLISHED_BY_HOUR: [f64; 24] = [
    0.6, 0.4, 0.3, 0.3, 0.6, 1.6, 3.0, 3.6, 3.4, 3.2, 3.2, 3.3, 3.0, 2.8, 3.0, 3.2, 3.4, 3.2, 2.8, 2.4, 2.0,
    1.8, 1.4, 0.9,
];

/// The name of a day.
pub(super) fn day_name(moment: Timestamp) -> &'static str {
    // The first day of 1970 was a Thursday.
    DAY_NAMES[(moment.0.div_euclid(DAY) + 4).rem_euclid(7) as usize]
}

/// When something was, as one says it later, such as `on Monday`.
pub(super) fn how_long_ago(then: Timestamp, now: Timestamp) -> String {
    match now.0.div_euclid(DAY) - then.0.div_euclid(DAY) {
        ..=0 => "earlier in the day".to_owned(),
        1..=6 => format!("on {}", day_name(then)),
        _ => format!("on {}", date(then)),
    }
}

/// When something was, as one says it after `since`.
pub(super) fn since(then: Timestamp, now: Timestamp) -> String {
    match now.0.div_euclid(DAY) - then.0.div_euclid(DAY) {
        ..=0 => "this morning".to_owned(),
        1..=6 => day_name(then).to_owned(),
        _ => date(then),
    }
}

/// Such as `3 June`.
fn date(moment: Timestamp) -> String {
    use chrono::Datelike as _;
    chrono::DateTime::from_timestamp_millis(moment.0).map_or_else(
        || "its first day".to_owned(),
        |date| format!("{} {}", date.day(), MONTH_NAMES[date.month0() as usize]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_names_and_distances() {
        let tuesday = Timestamp::parse("2026-06-30T06:00").unwrap();
        assert_eq!(day_name(tuesday), "Tuesday");
        let ago = |hours: i64| how_long_ago(Timestamp(tuesday.0 - hours * HOUR), tuesday);
        assert_eq!(
            [ago(2), ago(7), ago(72), ago(240)],
            ["earlier in the day", "on Monday", "on Saturday", "on 20 June"]
        );
    }
}
