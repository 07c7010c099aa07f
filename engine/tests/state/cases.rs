//! What every make of the state store does.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use abovefold_engine::state::{EpochWrite, Put, StateStore, Tag, Value, WriteOutcome};
use abovefold_schemas::{LastRecord, Marker, Offset};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};

pub type Store = Arc<dyn StateStore>;

const LONG: Duration = Duration::from_secs(60);

pub fn tag(namespace: &str, partition: u32) -> Tag {
    Tag { namespace: namespace.to_owned(), partition }
}

/// The marker after `next` records, with the last record that goes with it.
pub fn marker(next: u64) -> Marker {
    let last = next.checked_sub(1).map(|offset| LastRecord { offset: Offset(offset), hash: offset * 7 });
    Marker { last, ..Marker::start(Offset(next)) }
}

pub fn value(version: u64, bytes: impl AsRef<[u8]>) -> Value {
    Value { version: Offset(version), bytes: Bytes::copy_from_slice(bytes.as_ref()) }
}

pub fn name(text: impl AsRef<[u8]>) -> Bytes {
    Bytes::copy_from_slice(text.as_ref())
}

pub fn put(key: impl AsRef<[u8]>, value: Option<Value>, mirrored: bool) -> Put {
    Put { key: name(key), value, mirrored }
}

pub fn epoch(from: u64, to: u64, puts: Vec<Put>) -> EpochWrite {
    EpochWrite { expected: marker(from), target: marker(to), puts, invalidated: Vec::new() }
}

async fn begin(store: &Store, namespace: &str) -> Tag {
    let tag = tag(namespace, 3);
    assert_eq!(store.initialise(&tag, marker(0)).await.unwrap(), marker(0));
    tag
}

async fn apply(store: &Store, tag: &Tag, epoch: EpochWrite) {
    assert_eq!(store.write_epoch(tag, &epoch).await.unwrap(), WriteOutcome::Applied);
}

async fn get(store: &Store, tag: &Tag, key: &str) -> Option<Value> {
    store.read(tag, &[name(key)], &[]).await.unwrap().values.remove(0)
}

pub async fn an_epoch_is_written_whole(store: &Store, namespace: &str) {
    let tag = begin(store, namespace).await;
    apply(
        store,
        &tag,
        epoch(0, 5, vec![put("a", Some(value(2, "A")), false), put("b", Some(value(5, "B")), false)]),
    )
    .await;
    apply(store, &tag, epoch(5, 8, vec![put("a", None, false), put("c", Some(value(8, "")), true)])).await;
    let read = store.read(&tag, &[name("a"), name("b"), name("c")], &[]).await.unwrap();
    assert_eq!(read.marker, Some(marker(8)));
    assert_eq!(read.values, [None, Some(value(5, "B")), Some(value(8, ""))]);
}

pub async fn an_epoch_is_refused_on_another_marker(store: &Store, namespace: &str) {
    let tag = tag(namespace, 3);
    let first = epoch(0, 4, vec![put("a", Some(value(4, "A")), true)]);
    assert_eq!(store.write_epoch(&tag, &first).await.unwrap(), WriteOutcome::Conflict(None));
    assert_eq!(store.initialise(&tag, marker(2)).await.unwrap(), marker(2));
    assert_eq!(store.write_epoch(&tag, &first).await.unwrap(), WriteOutcome::Conflict(Some(marker(2))));
    apply(store, &tag, epoch(2, 6, vec![put("a", Some(value(6, "old")), true)])).await;
    assert!(store.put_derived(&tag, &name("a"), Offset(6), name("kept"), LONG).await.unwrap());

    // The same offset after another record is another marker.
    let mut other =
        epoch(6, 9, vec![put("a", Some(value(9, "new")), true), put("b", Some(value(9, "new")), true)]);
    other.expected.last = Some(LastRecord { offset: Offset(5), hash: 1 });
    other.invalidated = vec![name("a")];
    assert_eq!(store.write_epoch(&tag, &other).await.unwrap(), WriteOutcome::Conflict(Some(marker(6))));
    let read = store.read(&tag, &[name("a"), name("b")], &[name("a")]).await.unwrap();
    assert_eq!(read.marker, Some(marker(6)));
    assert_eq!(read.values, [Some(value(6, "old")), None]);
    assert_eq!(read.derived, [Some(name("kept"))]);
    assert_eq!(store.changed_since(&tag, Offset(6)).await.unwrap().values, []);
}

pub async fn a_repeated_epoch_is_harmless(store: &Store, namespace: &str) {
    let tag = begin(store, namespace).await;
    let first = epoch(0, 4, vec![put("a", Some(value(4, "A")), false)]);
    apply(store, &tag, first.clone()).await;
    apply(store, &tag, first.clone()).await;
    assert_eq!(get(store, &tag, "a").await, Some(value(4, "A")));
    apply(store, &tag, epoch(4, 6, vec![put("a", Some(value(6, "later")), false)])).await;
    // Later still it is a zombie, and refused.
    assert_eq!(store.write_epoch(&tag, &first).await.unwrap(), WriteOutcome::Conflict(Some(marker(6))));
    assert_eq!(get(store, &tag, "a").await, Some(value(6, "later")));
}

pub async fn an_epoch_drops_derived_values(store: &Store, namespace: &str) {
    let tag = begin(store, namespace).await;
    apply(
        store,
        &tag,
        epoch(0, 4, vec![put("a", Some(value(3, "A")), false), put("b", Some(value(4, "B")), false)]),
    )
    .await;
    assert!(store.put_derived(&tag, &name("a"), Offset(3), name("of a"), LONG).await.unwrap());
    assert!(store.put_derived(&tag, &name("b"), Offset(4), name("of b"), LONG).await.unwrap());
    let mut next = epoch(4, 5, vec![put("a", Some(value(5, "A2")), false)]);
    next.invalidated = vec![name("a"), name("never there")];
    apply(store, &tag, next).await;
    let read = store.read(&tag, &[name("a")], &[name("a"), name("b")]).await.unwrap();
    assert_eq!(read.values, [Some(value(5, "A2"))]);
    assert_eq!(read.derived, [None, Some(name("of b"))]);
}

pub async fn a_read_gives_values_in_order_and_the_marker(store: &Store, namespace: &str) {
    let tag = tag(namespace, 3);
    let read = store.read(&tag, &[name("a")], &[name("a")]).await.unwrap();
    assert_eq!((read.marker, read.values, read.derived), (None, vec![None], vec![None]));
    begin(store, namespace).await;
    apply(
        store,
        &tag,
        epoch(0, 4, vec![put("a", Some(value(3, "A")), false), put("b", Some(value(4, "B")), false)]),
    )
    .await;
    let read = store.read(&tag, &[name("b"), name("?"), name("a"), name("b")], &[]).await.unwrap();
    assert_eq!(read.values, [Some(value(4, "B")), None, Some(value(3, "A")), Some(value(4, "B"))]);
    assert_eq!(store.read(&tag, &[], &[]).await.unwrap().marker, Some(marker(4)));
    // The partition beside it has nothing of this.
    let beside = Tag { partition: 4, ..tag.clone() };
    assert_eq!(store.read(&beside, &[name("a")], &[]).await.unwrap().values, [None]);
}

pub async fn a_derived_value_is_kept_only_for_its_version(store: &Store, namespace: &str) {
    let tag = begin(store, namespace).await;
    let (key, kept) = (name("a"), name("candidates"));
    assert!(!store.put_derived(&tag, &key, Offset(3), kept.clone(), LONG).await.unwrap());
    assert!(store.put_derived(&tag, &key, Offset(0), name("of a cold reader"), LONG).await.unwrap());
    // Where there is no marker there is nothing to keep it beside.
    let nowhere = Tag { partition: 4, ..tag.clone() };
    assert!(!store.put_derived(&nowhere, &key, Offset(0), kept.clone(), LONG).await.unwrap());
    assert_eq!(store.read(&nowhere, &[], std::slice::from_ref(&key)).await.unwrap().derived, [None]);
    apply(
        store,
        &tag,
        EpochWrite {
            invalidated: vec![key.clone()],
            ..epoch(0, 3, vec![put("a", Some(value(3, "A")), false)])
        },
    )
    .await;
    for stale in [0, 2, 4] {
        assert!(!store.put_derived(&tag, &key, Offset(stale), kept.clone(), LONG).await.unwrap());
    }
    assert_eq!(store.read(&tag, &[], std::slice::from_ref(&key)).await.unwrap().derived, [None]);
    assert!(store.put_derived(&tag, &key, Offset(3), kept.clone(), LONG).await.unwrap());
    assert_eq!(store.read(&tag, &[], &[key]).await.unwrap().derived, [Some(kept)]);
}

pub async fn a_derived_value_expires(store: &Store, namespace: &str) {
    let tag = begin(store, namespace).await;
    let key = name("a");
    assert!(store.put_derived(&tag, &key, Offset(0), name("x"), Duration::from_millis(60)).await.unwrap());
    let end = std::time::Instant::now() + Duration::from_secs(10);
    while store.read(&tag, &[], std::slice::from_ref(&key)).await.unwrap().derived[0].is_some() {
        assert!(std::time::Instant::now() < end, "it does not expire");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub async fn mirrored_changes_are_reported_since_an_offset(store: &Store, namespace: &str) {
    let tag = begin(store, namespace).await;
    let sorted = async |since| {
        let mut changes = store.changed_since(&tag, Offset(since)).await.unwrap();
        changes.values.sort_by(|one, other| one.0.cmp(&other.0));
        (changes.marker, changes.values)
    };
    assert_eq!(sorted(0).await, (Some(marker(0)), vec![]));
    let puts = vec![
        put("a", Some(value(2, "A")), true),
        put("b", Some(value(5, "B")), true),
        put("r", Some(value(5, "R")), false),
    ];
    apply(store, &tag, epoch(0, 5, puts)).await;
    let (a, b) = ((name("a"), Some(value(2, "A"))), (name("b"), Some(value(5, "B"))));
    assert_eq!(sorted(0).await, (Some(marker(5)), vec![a.clone(), b.clone()]));
    assert_eq!(sorted(2).await, (Some(marker(5)), vec![b.clone()]));
    assert_eq!(sorted(5).await, (Some(marker(5)), vec![]));
    apply(store, &tag, epoch(5, 9, vec![put("a", None, true), put("c", Some(value(7, "C")), true)])).await;
    let c = (name("c"), Some(value(7, "C")));
    assert_eq!(sorted(5).await, (Some(marker(9)), vec![(name("a"), None), c.clone()]));
    assert_eq!(sorted(8).await, (Some(marker(9)), vec![(name("a"), None)]));
    apply(store, &tag, epoch(9, 12, vec![put("a", Some(value(11, "A again")), true)])).await;
    let again = (name("a"), Some(value(11, "A again")));
    assert_eq!(sorted(9).await, (Some(marker(12)), vec![again.clone()]));
    assert_eq!(sorted(0).await, (Some(marker(12)), vec![again, b, c]));
}

/// However many epochs lie between, and where one changed what another had changed.
pub async fn changes_are_reported_from_far_back(store: &Store, namespace: &str) {
    let tag = begin(store, namespace).await;
    let mut last = BTreeMap::new();
    for end in 1..=200_u64 {
        // Seven names in turn, one that no other epoch changes, and one that is written once and removed later.
        let names = [format!("{}", end % 7), format!("once {end}")];
        let mut puts: Vec<_> = names.iter().map(|name| put(name, Some(value(end, "x")), true)).collect();
        if end == 1 || end == 150 {
            puts.push(put("gone", (end == 1).then(|| value(end, "x")), true));
        }
        last.extend(puts.iter().map(|put| (put.key.clone(), (end, put.value.clone()))));
        puts.push(put(format!("reader {end}"), Some(value(end, "r")), false));
        apply(store, &tag, epoch(end - 1, end, puts)).await;
    }
    for since in [0, 1, 130, 149, 150, 193, 197, 199, 200] {
        let mut found = store.changed_since(&tag, Offset(since)).await.unwrap().values;
        found.retain(|(_, value)| value.is_some() || since < 150);
        found.sort_by(|one, other| one.0.cmp(&other.0));
        let expected = last.iter().filter(|(_, (end, _))| *end > since);
        let expected: Vec<_> = expected.map(|(key, (_, value))| (key.clone(), value.clone())).collect();
        assert_eq!(found, expected, "since {since}");
    }
}

pub async fn a_scan_is_complete(store: &Store, namespace: &str) {
    let tag = begin(store, namespace).await;
    let key = |number: u64| format!("reader:{number:05}");
    for part in 0..5 {
        let puts = (part * 1000..(part + 1) * 1000)
            .map(|number| put(key(number), Some(value(part * 1000 + 1, key(number))), false));
        apply(store, &tag, epoch(part * 1000, (part + 1) * 1000, puts.collect())).await;
    }
    apply(store, &tag, epoch(5000, 5001, vec![put(key(17), None, false)])).await;
    assert!(store.put_derived(&tag, &name(key(4)), Offset(1), name("not a value"), LONG).await.unwrap());
    let mut found: Vec<_> = store.scan(&tag).try_collect().await.unwrap();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = (0..5000).filter(|number| *number != 17);
    let expected: Vec<_> =
        expected.map(|number| (name(key(number)), value(number / 1000 * 1000 + 1, key(number)))).collect();
    assert_eq!(found.len(), expected.len());
    assert!(found == expected);
    let beside = Tag { partition: 4, ..tag };
    assert_eq!(store.scan(&beside).count().await, 0);
}

pub async fn keys_and_values_may_be_any_bytes(store: &Store, namespace: &str) {
    let tag = begin(store, namespace).await;
    let all: Vec<u8> = (0..=255).collect();
    let keys: Vec<Bytes> =
        [&b""[..], &[0], &[255], &[255, 255], b"a\0b", b"{x}:v:\r\n", "ö".as_bytes(), &all]
            .map(name)
            .to_vec();
    let puts = keys.iter().map(|key| put(key, Some(value(1, key)), true)).collect();
    apply(store, &tag, epoch(0, 1, puts)).await;
    let expected: Vec<_> = keys.iter().map(|key| Some(value(1, key))).collect();
    assert_eq!(store.read(&tag, &keys, &[]).await.unwrap().values, expected);
    let mut scanned: Vec<_> = store.scan(&tag).map_ok(|(key, _)| key).try_collect().await.unwrap();
    let mut changed: Vec<_> =
        store.changed_since(&tag, Offset(0)).await.unwrap().values.into_iter().map(|(key, _)| key).collect();
    let mut sorted = keys.clone();
    sorted.sort();
    scanned.sort();
    changed.sort();
    assert_eq!(scanned, sorted);
    assert_eq!(changed, sorted);
    for key in &keys {
        assert!(store.put_derived(&tag, key, Offset(1), key.clone(), LONG).await.unwrap());
    }
    let derived: Vec<_> = keys.iter().cloned().map(Some).collect();
    assert_eq!(store.read(&tag, &[], &keys).await.unwrap().derived, derived);
    let removals = keys.iter().map(|key| put(key, None, true)).collect();
    apply(store, &tag, EpochWrite { invalidated: keys.clone(), ..epoch(1, 2, removals) }).await;
    let read = store.read(&tag, &keys, &keys).await.unwrap();
    assert!(read.values.iter().all(Option::is_none) && read.derived.iter().all(Option::is_none));
    assert_eq!(store.scan(&tag).count().await, 0);
}

pub async fn a_waiter_is_woken(store: &Store, namespace: &str) {
    let tag = begin(store, namespace).await;
    assert_eq!(store.wait_for(&tag, Offset(0)).await.unwrap(), marker(0));
    // A wait that is given up leaves nothing behind.
    assert!(tokio::time::timeout(Duration::from_millis(50), store.wait_for(&tag, Offset(1))).await.is_err());
    let waiters: Vec<_> = (0..3)
        .map(|_| {
            let (store, tag) = (Arc::clone(store), tag.clone());
            tokio::spawn(async move {
                let marker = store.wait_for(&tag, Offset(4)).await.unwrap();
                (marker, std::time::Instant::now())
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    apply(store, &tag, epoch(0, 3, vec![])).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(waiters.iter().all(|waiter| !waiter.is_finished()));
    apply(store, &tag, epoch(3, 5, vec![])).await;
    let written = std::time::Instant::now();
    for waiter in waiters {
        let (found, at) = tokio::time::timeout(Duration::from_secs(5), waiter).await.expect("woken").unwrap();
        assert_eq!(found, marker(5));
        println!("woken {:?} after the write", at.saturating_duration_since(written));
    }
}

pub async fn a_wish_arrives(store: &Store, namespace: &str) {
    let tag = begin(store, namespace).await;
    let mut wishes = store.hurries(namespace).await.unwrap();
    let mut elsewhere = store.hurries("another").await.unwrap();
    store.hurry(&tag, Offset(42)).await.unwrap();
    let wish = tokio::time::timeout(Duration::from_secs(5), wishes.next()).await.expect("it arrives");
    assert_eq!(wish, Some((3, Offset(42))));
    assert!(tokio::time::timeout(Duration::from_millis(20), elsewhere.next()).await.is_err());
}

pub async fn namespaces_are_apart_and_can_be_dropped(store: &Store, namespace: &str) {
    let (one, two) = (tag(namespace, 3), tag(&format!("{namespace}-2"), 3));
    for tag in [&one, &two] {
        store.initialise(tag, marker(0)).await.unwrap();
        store.initialise(&Tag { partition: 11, ..tag.clone() }, marker(5)).await.unwrap();
        let puts = vec![put("a", Some(value(2, &tag.namespace)), true), put("b", Some(value(2, "B")), false)];
        apply(store, tag, epoch(0, 2, puts)).await;
        assert!(store.put_derived(tag, &name("a"), Offset(2), name("x"), LONG).await.unwrap());
    }
    assert_eq!(get(store, &one, "a").await, Some(value(2, namespace)));
    let mut partitions = store.partitions(namespace).await.unwrap();
    partitions.sort();
    assert_eq!(partitions, [3, 11]);

    store.drop_namespace(namespace).await.unwrap();
    let gone = store.read(&one, &[name("a")], &[name("a")]).await.unwrap();
    assert_eq!((gone.marker, gone.values, gone.derived), (None, vec![None], vec![None]));
    assert_eq!(store.partitions(namespace).await.unwrap(), [] as [u32; 0]);
    assert_eq!(store.scan(&one).count().await, 0);
    assert_eq!(store.changed_since(&one, Offset(0)).await.unwrap().values, []);
    let late = epoch(2, 4, vec![put("a", Some(value(4, "zombie")), true)]);
    assert_eq!(store.write_epoch(&one, &late).await.unwrap(), WriteOutcome::Conflict(None));

    let kept = store.read(&two, &[name("a")], &[name("a")]).await.unwrap();
    assert_eq!((kept.marker, kept.derived), (Some(marker(2)), vec![Some(name("x"))]));
    assert_eq!(kept.values, [Some(value(2, &two.namespace))]);
    store.drop_namespace(&two.namespace).await.unwrap();
    store.drop_namespace("never-there").await.unwrap();
}

pub async fn of_two_writers_one_wins(store: &Store, namespace: &str) {
    let tag = begin(store, namespace).await;
    for round in 0..50 {
        let expected = store.read(&tag, &[], &[]).await.unwrap().marker.unwrap();
        let writers = (0..2_u64).map(|writer| {
            let mut epoch =
                epoch(round, round + 1, vec![put("a", Some(value(round + 1, writer.to_string())), false)]);
            // Each claims to have folded another record, so that their targets differ.
            epoch.expected = expected;
            epoch.target.last = Some(LastRecord { offset: Offset(round + 1), hash: 0 });
            epoch.target.last.as_mut().unwrap().hash = writer + 1;
            let (store, tag) = (Arc::clone(store), tag.clone());
            async move {
                let outcome = store.write_epoch(&tag, &epoch).await.unwrap();
                (writer, epoch.target, outcome)
            }
        });
        let outcomes = futures::future::join_all(writers).await;
        let read = store.read(&tag, &[name("a")], &[]).await.unwrap();
        let winners: Vec<_> = outcomes.iter().filter(|(_, target, _)| Some(*target) == read.marker).collect();
        assert_eq!(winners.len(), 1, "{outcomes:?}");
        let (winner, _, outcome) = winners[0];
        assert_eq!(*outcome, WriteOutcome::Applied);
        let applied = outcomes.iter().filter(|(_, _, outcome)| *outcome == WriteOutcome::Applied);
        assert_eq!(applied.count(), 1, "the other is told: {outcomes:?}");
        assert_eq!(read.values, [Some(value(round + 1, winner.to_string()))]);
    }
}

pub async fn a_reader_never_sees_a_mixture(store: &Store, namespace: &str) {
    let tag = begin(store, namespace).await;
    let keys: Vec<Bytes> = (0..20).map(|number| name(format!("key {number}"))).collect();
    let (done, reads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (store, tag, keys) = (Arc::clone(store), tag.clone(), keys.clone());
            let (done, reads) = (Arc::clone(&done), Arc::clone(&reads));
            tokio::spawn(async move {
                let mut last = Offset(0);
                while !done.load(Ordering::Relaxed) {
                    let read = store.read(&tag, &keys, &keys[..1]).await.unwrap();
                    let next = read.marker.unwrap().next;
                    assert!(next >= last, "time ran backwards");
                    last = next;
                    let expected = (next.0 > 0).then(|| value(next.0, next.to_string()));
                    assert!(read.values.iter().all(|value| *value == expected), "{read:?}");
                    // A derived value belongs to the value beside it.
                    assert!(read.derived[0].as_ref().is_none_or(|of| *of == next.to_string()), "{read:?}");
                    // It may be refused, if an epoch came between.
                    store.put_derived(&tag, &keys[0], next, name(next.to_string()), LONG).await.unwrap();
                    let changes = store.changed_since(&tag, Offset(0)).await.unwrap();
                    let at = changes.marker.unwrap().next;
                    assert!(
                        changes.values.iter().all(|(_, found)| *found == Some(value(at.0, at.to_string()))),
                        "{changes:?}"
                    );
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for next in 1_u64.. {
        if next > 100 && reads.load(Ordering::Relaxed) >= 50 {
            break;
        }
        assert!(readers.iter().all(|reader| !reader.is_finished()), "a reader failed");
        let puts = keys.iter().map(|key| put(key, Some(value(next, next.to_string())), true)).collect();
        apply(store, &tag, EpochWrite { invalidated: keys.clone(), ..epoch(next - 1, next, puts) }).await;
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.unwrap();
    }
}

pub async fn the_first_marker_stays(store: &Store, namespace: &str) {
    let tag = tag(namespace, 3);
    assert_eq!(store.partitions(namespace).await.unwrap(), [] as [u32; 0]);
    assert_eq!(store.initialise(&tag, Marker::start(Offset(7))).await.unwrap(), Marker::start(Offset(7)));
    assert_eq!(store.initialise(&tag, Marker::start(Offset(1))).await.unwrap(), Marker::start(Offset(7)));
    assert_eq!(store.read(&tag, &[], &[]).await.unwrap().marker, Some(Marker::start(Offset(7))));
    assert_eq!(store.partitions(namespace).await.unwrap(), [3]);
    assert!(!store.check().await.unwrap().is_empty());
}

pub async fn a_large_epoch_is_written(store: &Store, namespace: &str) {
    let tag = begin(store, namespace).await;
    let key = |number: u64| format!("{number}");
    let bytes = vec![7; 1_000];
    // More keys than Lua unpacks at once, and 9 MB.
    let puts: Vec<_> = (0..9_000).map(|number| put(key(number), Some(value(1, &bytes)), true)).collect();
    let invalidated: Vec<_> = (0..9_000).map(|number| name(key(number))).collect();
    apply(store, &tag, EpochWrite { invalidated: invalidated.clone(), ..epoch(0, 1, puts) }).await;
    let read = store.read(&tag, &invalidated, &[]).await.unwrap();
    assert!(read.values.iter().all(|found| found.as_ref().is_some_and(|found| found.bytes == bytes)));
    assert_eq!(store.changed_since(&tag, Offset(0)).await.unwrap().values.len(), 9_000);
    let removals = (0..9_000).map(|number| put(key(number), None, true)).collect();
    apply(store, &tag, EpochWrite { invalidated, ..epoch(1, 2, removals) }).await;
    assert_eq!(store.scan(&tag).count().await, 0);
    let changes = store.changed_since(&tag, Offset(1)).await.unwrap();
    assert_eq!(changes.values.iter().filter(|(_, value)| value.is_none()).count(), 9_000);
}

pub async fn bad_names_are_refused(store: &Store, _: &str) {
    for bad in ["", "Main", "a}b", "a:b", "a\0b"] {
        let tag = tag(bad, 0);
        let errors = [
            store.initialise(&tag, marker(0)).await.map(drop).unwrap_err(),
            store.read(&tag, &[], &[]).await.map(drop).unwrap_err(),
            store.write_epoch(&tag, &epoch(0, 1, vec![])).await.map(drop).unwrap_err(),
            store.wait_for(&tag, Offset(0)).await.map(drop).unwrap_err(),
            store.changed_since(&tag, Offset(0)).await.map(drop).unwrap_err(),
            store.drop_namespace(bad).await.unwrap_err(),
            store.scan(&tag).next().await.unwrap().map(drop).unwrap_err(),
        ];
        assert!(errors.iter().all(|error| error.fault == abovefold_engine::Fault::User));
    }
}
