//! The example with the bicycle counters runs, and says what it should: the engine knows nothing of news.

#![allow(clippy::unwrap_used)] // Tests.

#[path = "../examples/bicycle_counters.rs"]
mod bicycle_counters;

/// The station's clock that runs ahead counts as the log's time (08:25). What it sends late amends a result; what the bridge and the harbour
/// send later still is late.
const SAID: &str = "\
what is known at 08:25:
  bridge   08:00 to 08:15   36 bicycles in 3 readings, on time
  bridge   08:15 to 08:30   25 bicycles in 2 readings, early
  harbour  08:00 to 08:15    4 bicycles in 1 readings, on time
  harbour  08:15 to 08:30    6 bicycles in 1 readings, early
  station  08:00 to 08:15   58 bicycles in 2 readings, on time
  station  08:15 to 08:30    1 bicycles in 1 readings, early
what is known at 08:55:
  bridge   08:15 to 08:30   25 bicycles in 2 readings, on time
  bridge   08:30 to 08:45    8 bicycles in 1 readings, on time
  bridge   08:45 to 09:00    7 bicycles in 1 readings, early
  harbour  08:15 to 08:30    9 bicycles in 2 readings, on time
  harbour  08:30 to 08:45    5 bicycles in 1 readings, on time
  station  08:00 to 08:15   63 bicycles in 3 readings, late
  station  08:15 to 08:30    1 bicycles in 1 readings, on time
  station  08:30 to 08:45   17 bicycles in 1 readings, on time
  station  08:45 to 09:00   20 bicycles in 1 readings, early
2 readings came too late, 2 of them lie in late_crossings
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bicycle_counters_say_their_quarters() {
    let folder = tempfile::TempDir::new().unwrap();
    let mut said = Vec::new();
    bicycle_counters::run(folder.path(), &mut said).await.unwrap();
    let said = String::from_utf8(said).unwrap();
    assert_eq!(said, SAID);
}
