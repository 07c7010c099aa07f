//! One suite for every make of the state store: in memory, embedded, a real Redis, and a real Redis Cluster of three.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // Tests.

#[path = "state/cases.rs"]
mod cases;
#[path = "state/embedded.rs"]
mod embedded_only;
#[path = "state/redis.rs"]
mod redis_only;
#[path = "common/redis.rs"]
mod redis_servers;

use std::sync::{Arc, Mutex, Weak};

use abovefold_engine::state::{MemoryStore, StateSettings, StateStore, open};
use redis_servers::{RedisCluster, RedisServer};

/// A store, and what has to live as long as it.
struct Fixture {
    store: Arc<dyn StateStore>,
    _behind: Box<dyn std::any::Any>,
}

async fn memory() -> Option<Fixture> {
    Some(Fixture { store: Arc::new(MemoryStore::new()), _behind: Box::new(()) })
}

async fn embedded() -> Option<Fixture> {
    let directory = tempfile::tempdir().unwrap();
    let store =
        open(&format!("file:{}", directory.path().display()), &StateSettings::default()).await.unwrap();
    Some(Fixture { store, _behind: Box::new(directory) })
}

/// One server for the tests that run at the same time; the last one stops it.
static SINGLE: Mutex<Weak<RedisServer>> = Mutex::new(Weak::new());
static CLUSTER: Mutex<Weak<RedisCluster>> = Mutex::new(Weak::new());

fn shared<T>(place: &Mutex<Weak<T>>, start: impl FnOnce() -> T) -> Arc<T> {
    let mut place = place.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    place.upgrade().unwrap_or_else(|| {
        let started = Arc::new(start());
        *place = Arc::downgrade(&started);
        started
    })
}

async fn redis_single() -> Option<Fixture> {
    redis_servers::binary().ok()?;
    let server = shared(&SINGLE, || RedisServer::start(&[]));
    let store = open(&server.url(), &StateSettings::default()).await.unwrap();
    Some(Fixture { store, _behind: Box::new(server) })
}

async fn redis_cluster() -> Option<Fixture> {
    redis_servers::binary().ok()?;
    let cluster = shared(&CLUSTER, RedisCluster::start);
    let store = open(&cluster.url(), &StateSettings::default()).await.unwrap();
    Some(Fixture { store, _behind: Box::new(cluster) })
}

fn skip(test: &str) {
    println!("SKIP {test}: {}", redis_servers::binary().unwrap_err());
}

macro_rules! suite {
    ($make:ident: $($case:ident),+ $(,)?) => {
        mod $make {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    match super::$make().await {
                        // Tests share servers, hence each its own namespace.
                        Some(fixture) => {
                            super::cases::$case(&fixture.store, &stringify!($case).replace("__", "-")).await
                        }
                        None => super::skip(concat!(stringify!($make), "::", stringify!($case))),
                    }
                }
            )+
        }
    };
}

macro_rules! suites {
    ($($make:ident),+) => {
        $(
            suite! { $make:
                an_epoch_is_written_whole,
                an_epoch_is_refused_on_another_marker,
                a_repeated_epoch_is_harmless,
                an_epoch_drops_derived_values,
                a_read_gives_values_in_order_and_the_marker,
                a_derived_value_is_kept_only_for_its_version,
                a_derived_value_expires,
                mirrored_changes_are_reported_since_an_offset,
                changes_are_reported_from_far_back,
                a_scan_is_complete,
                keys_and_values_may_be_any_bytes,
                a_waiter_is_woken,
                a_wish_arrives,
                namespaces_are_apart_and_can_be_dropped,
                of_two_writers_one_wins,
                a_reader_never_sees_a_mixture,
                the_first_marker_stays,
                a_large_epoch_is_written,
                bad_names_are_refused,
            }
        )+
    };
}

suites! { memory, embedded, redis_single, redis_cluster }
