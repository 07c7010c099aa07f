//! The real data sets are read as they are, where they are at hand (`ABOVEFOLD_DATA`, or `shared/data` beside
//! the checkout).
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a helper of a test may panic and print as a test may"
)]

use std::path::{Path, PathBuf};

use abovefold_schemas::tables::{DataFolder, Layout, Split};
use abovefold_schemas::{ArticleId, Timestamp};

fn real(test: &str, name: &str) -> Option<DataFolder> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("ABOVEFOLD_DATA").map_or(beside, PathBuf::from).join(name);
    if !folder.is_dir() {
        println!("SKIP {test}: no data set {name} (ABOVEFOLD_DATA names the folder that holds it)");
        return None;
    }
    Some(DataFolder::open(folder).unwrap())
}

#[test]
fn the_eb_nerd_fixture_is_read() {
    let Some(data) = real("the_eb_nerd_fixture_is_read", "ebnerd-fixture") else { return };
    assert_eq!((data.layout(), data.splits()), (Layout::Flat, vec![Split::Whole]));
    let behaviors = data.behaviors_in_time_order(Split::Whole).unwrap();
    assert_eq!(behaviors.len(), 1_046);
    let first = behaviors.iter().find(|row| row.impression_id == 9).unwrap();
    assert_eq!(first.impression_time, Timestamp::parse("2023-02-27T03:23:27").unwrap());
    assert_eq!(first.in_view, [9_652_010, 9_652_027, 9_651_983, 9_652_025].map(ArticleId));
    assert_eq!((first.article_id, first.reader.as_str(), first.age), (None, "12258", Some(40)));
    let histories: Vec<_> = data.history(Split::Whole).unwrap().map(Result::unwrap).collect();
    assert_eq!(histories.len(), 44);
    assert_eq!(histories.iter().map(|row| row.reads.len()).sum::<usize>(), 8_303);

    let events: Vec<_> = data.events().unwrap().map(Result::unwrap).collect();
    let clicks: usize = behaviors.iter().map(|row| row.clicked.len()).sum();
    println!("{} events of {} history reads and {clicks} clicks", events.len(), 8_303);
    assert!(events.len() > 8_000 && events.len() <= 8_303 + clicks);
    assert!(events.is_sorted_by_key(|event| event.timestamp));
    assert!(data.articles().unwrap().is_empty());
    assert!(data.vectors().unwrap().is_none());
}

#[test]
fn the_log_form_is_read() {
    let Some(data) = real("the_log_form_is_read", "globo-dev") else { return };
    assert_eq!(data.layout(), Layout::Log);
    let mut latest = Timestamp(0);
    let mut events = 0;
    let start = std::time::Instant::now();
    for event in data.events().unwrap() {
        let event = event.unwrap();
        assert!(event.timestamp >= latest && event.scroll_pct.is_none() && event.read_time.is_some());
        latest = event.timestamp;
        events += 1;
    }
    println!("{events} events in {:?}", start.elapsed());
    assert_eq!(events, 1_518_764);
    assert!(data.articles().unwrap().len() >= 25_647);
    let behaviors: Vec<_> = data.behaviors(Split::Whole).unwrap().map(Result::unwrap).collect();
    assert_eq!(behaviors.len(), 42_602);
    assert!(behaviors.iter().all(|row| row.in_view.len() == 51 && row.clicked.len() == 1));
}
