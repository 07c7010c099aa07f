//! What only the embedded store does: it keeps a file, locks it, and survives a kill.

use std::{path::Path, process::Command, sync::Arc, time::Duration};

use abovefold_engine::{
    Fault,
    state::{StateSettings, StateStore, WriteOutcome, open},
};
use abovefold_schemas::Offset;
use bytes::Bytes;
use futures::StreamExt;

use super::cases::{epoch, marker, name, put, tag, value};

const KILLED_HERE: &str = "ABOVEFOLD_TEST_STATE_KILLED";

async fn open_in(directory: &Path) -> Arc<dyn StateStore> {
    open(&format!("file:{}", directory.display()), &StateSettings::default()).await.unwrap()
}

fn keys() -> Vec<Bytes> {
    (0..20).map(|number| name(format!("key {number}"))).collect()
}

#[tokio::test]
async fn a_file_that_is_opened_again_holds_what_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let tag = tag("main", 2);
    {
        let store = open_in(directory.path()).await;
        store.initialise(&tag, marker(0)).await.unwrap();
        let puts = vec![put("a", Some(value(3, "A")), true), put("b", None, true)];
        store.write_epoch(&tag, &epoch(0, 3, puts)).await.unwrap();
    }
    let store = open_in(directory.path()).await;
    let read = store.read(&tag, &[name("a")], &[]).await.unwrap();
    assert_eq!((read.marker, read.values), (Some(marker(3)), vec![Some(value(3, "A"))]));
    assert_eq!(store.changed_since(&tag, Offset(0)).await.unwrap().values.len(), 2);
    assert_eq!(store.scan(&tag).count().await, 1);
    assert_eq!(store.partitions("main").await.unwrap(), [2]);
}

#[tokio::test]
async fn a_file_that_is_in_use_is_refused_with_a_way_out() {
    let directory = tempfile::tempdir().unwrap();
    let _store = open_in(directory.path()).await;
    let url = format!("file:{}", directory.path().display());
    let error = open(&url, &StateSettings::default()).await.unwrap_err();
    assert_eq!((error.fault, error.retry), (Fault::User, false));
    assert!(error.to_string().contains("another program has it open"), "{error}");
}

#[tokio::test]
async fn a_file_of_something_else_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("state.redb"), vec![b'x'; 10_000]).unwrap();
    let url = format!("file:{}", directory.path().display());
    assert_eq!(open(&url, &StateSettings::default()).await.unwrap_err().fault, Fault::User);
}

/// Not a test of its own: what runs in the process that the next test kills.
#[tokio::test]
async fn write_until_killed() {
    let Some(directory) = std::env::var_os(KILLED_HERE) else { return };
    let store = open_in(Path::new(&directory)).await;
    let tag = tag("main", 2);
    let start = store.initialise(&tag, marker(0)).await.unwrap().next.0;
    for next in start + 1.. {
        let puts = keys().iter().map(|key| put(key, Some(value(next, next.to_string())), true)).collect();
        assert_eq!(
            store.write_epoch(&tag, &epoch(next - 1, next, puts)).await.unwrap(),
            WriteOutcome::Applied
        );
        std::fs::write(Path::new(&directory).join("told"), next.to_string()).unwrap();
    }
}

#[tokio::test]
async fn a_killed_process_leaves_whole_epochs_and_all_that_it_told() {
    let directory = tempfile::tempdir().unwrap();
    let told = || std::fs::read_to_string(directory.path().join("told")).ok()?.parse::<u64>().ok();
    let mut before = 0;
    for round in 0..5 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "embedded_only::write_until_killed", "--nocapture"])
            .env(KILLED_HERE, directory.path())
            .spawn()
            .unwrap();
        let end = std::time::Instant::now() + Duration::from_secs(30);
        while told().is_none_or(|told| told < before + 5 + round) {
            assert!(
                std::time::Instant::now() < end && child.try_wait().unwrap().is_none(),
                "it does not write"
            );
            std::thread::sleep(Duration::from_millis(7));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let store = open_in(directory.path()).await;
        let read = store.read(&tag("main", 2), &keys(), &[]).await.unwrap();
        let next = read.marker.unwrap().next.0;
        assert!(read.values.iter().all(|found| *found == Some(value(next, next.to_string()))), "{read:?}");
        // The file with the number may itself have been cut by the kill.
        assert!(next >= told().unwrap_or(before), "an epoch that was told is gone");
        before = next;
    }
}
