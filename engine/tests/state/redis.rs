//! What only a Redis can do to a store: restart, forget scripts, evict, refuse a password, run out of memory.

use std::{sync::Arc, time::Duration};

use abovefold_engine::{
    Fault,
    state::{EpochWrite, StateSettings, StateStore, Tag, WriteOutcome, open},
};
use abovefold_schemas::Offset;
use futures::StreamExt;

use super::{
    cases::{epoch, marker, name, put, tag, value},
    redis_servers::{self, RedisCluster, RedisServer},
    skip,
};

const LONG: Duration = Duration::from_secs(60);

macro_rules! server_or_skip {
    ($test:literal $(, $argument:expr)*) => {
        match redis_servers::binary() {
            Ok(_) => RedisServer::start(&[$($argument),*]),
            Err(_) => return skip(concat!("redis_only::", $test)),
        }
    };
}

async fn open_at(url: &str) -> Arc<dyn StateStore> {
    open(url, &StateSettings::default()).await.unwrap()
}

async fn begin(store: &Arc<dyn StateStore>) -> Tag {
    let tag = tag("main", 1);
    store.initialise(&tag, marker(0)).await.unwrap();
    tag
}

fn write(from: u64, text: &str) -> EpochWrite {
    epoch(from, from + 1, vec![put("a", Some(value(from + 1, text)), true)])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_keeps_what_was_written_and_clients_come_back() {
    let mut server = server_or_skip!("a_restart_keeps_what_was_written_and_clients_come_back");
    let store = open_at(&server.url()).await;
    let tag = begin(&store).await;
    for next in 0..3 {
        assert_eq!(store.write_epoch(&tag, &write(next, "before")).await.unwrap(), WriteOutcome::Applied);
    }
    let mut wishes = store.hurries("main").await.unwrap();
    let waiter = {
        let (store, tag) = (Arc::clone(&store), tag.clone());
        tokio::spawn(async move { store.wait_for(&tag, Offset(4)).await })
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.kill();
    let while_down = store.read(&tag, &[], &[]).await.unwrap_err();
    assert_eq!((while_down.fault, while_down.retry), (Fault::Outside, true));
    server.start_again();

    // The server has forgotten the scripts, the client its connection; neither shows.
    let end = std::time::Instant::now() + Duration::from_secs(20);
    let outcome = loop {
        match store.write_epoch(&tag, &write(3, "after")).await {
            Ok(outcome) => break outcome,
            Err(error) => assert!(error.retry && std::time::Instant::now() < end, "{error}"),
        }
    };
    assert_eq!(outcome, WriteOutcome::Applied);
    let woken = tokio::time::timeout(Duration::from_secs(10), waiter).await.expect("woken").unwrap();
    assert_eq!(woken.unwrap(), marker(4));
    store.hurry(&tag, Offset(9)).await.unwrap();
    let wish = tokio::time::timeout(Duration::from_secs(10), wishes.next()).await.expect("it listens again");
    assert_eq!(wish, Some((1, Offset(9))));
}

#[tokio::test]
async fn forgotten_scripts_are_sent_again() {
    let server = server_or_skip!("forgotten_scripts_are_sent_again");
    let store = open_at(&server.url()).await;
    let tag = begin(&store).await;
    for next in 0..3 {
        assert_eq!(store.write_epoch(&tag, &write(next, "x")).await.unwrap(), WriteOutcome::Applied);
        assert!(store.put_derived(&tag, &name("a"), Offset(next + 1), name("d"), LONG).await.unwrap());
        assert_eq!(store.changed_since(&tag, Offset(0)).await.unwrap().values.len(), 1);
        assert!(server.command("SCRIPT FLUSH").starts_with("+OK"));
    }
}

#[tokio::test]
async fn a_wish_from_before_the_worker_came_arrives() {
    let server = server_or_skip!("a_wish_from_before_the_worker_came_arrives");
    let store = open_at(&server.url()).await;
    let tag = begin(&store).await;
    store.hurry(&tag, Offset(5)).await.unwrap();
    let worker = open_at(&server.url()).await;
    let mut wishes = worker.hurries("main").await.unwrap();
    let wish = tokio::time::timeout(Duration::from_secs(5), wishes.next()).await.expect("it arrives");
    assert_eq!(wish, Some((1, Offset(5))));
}

#[tokio::test]
async fn a_server_that_may_evict_is_refused() {
    let server = server_or_skip!(
        "a_server_that_may_evict_is_refused",
        "--maxmemory",
        "100mb",
        "--maxmemory-policy",
        "allkeys-lru"
    );
    let error = open(&server.url(), &StateSettings::default()).await.unwrap_err();
    assert_eq!(error.fault, Fault::User);
    assert!(error.to_string().contains("noeviction"), "{error}");
    server.command("CONFIG SET maxmemory-policy noeviction");
    assert!(open_at(&server.url()).await.check().await.unwrap().contains("noeviction"));
}

#[tokio::test]
async fn without_memory_an_epoch_is_refused_before_its_first_write() {
    let server = server_or_skip!("without_memory_an_epoch_is_refused_before_its_first_write");
    let store = open_at(&server.url()).await;
    let tag = begin(&store).await;
    assert_eq!(store.write_epoch(&tag, &write(0, "before")).await.unwrap(), WriteOutcome::Applied);
    server.command("CONFIG SET maxmemory 1mb");
    let error = store.write_epoch(&tag, &write(1, "after")).await.unwrap_err();
    assert_eq!((error.fault, error.retry), (Fault::Outside, true));
    assert!(error.to_string().contains("out of memory"), "{error}");
    let read = store.read(&tag, &[name("a")], &[]).await.unwrap();
    assert_eq!((read.marker, read.values), (Some(marker(1)), vec![Some(value(1, "before"))]));
    server.command("CONFIG SET maxmemory 0");
    assert_eq!(store.write_epoch(&tag, &write(1, "after")).await.unwrap(), WriteOutcome::Applied);
}

#[tokio::test]
async fn what_passes_may_be_tried_again_and_what_does_not_is_named() {
    let server = server_or_skip!("what_passes_may_be_tried_again_and_what_does_not_is_named");
    let hasty = StateSettings {
        response_timeout: Duration::from_millis(200),
        attempts: 2,
        ..StateSettings::default()
    };
    let store = open(&server.url(), &hasty).await.unwrap();
    let tag = begin(&store).await;
    // The first epoch of a process is written by a script, the next one by a transaction.
    for next in 0..2 {
        let refused = async |what: &str| {
            let error = store.write_epoch(&tag, &write(next, "x")).await.unwrap_err();
            println!("  {what}: {error}");
            assert!(!error.to_string().contains('\n'), "{error}");
            (error.fault, error.retry)
        };
        let passes = (Fault::Outside, true);
        // A primary that was made a replica, one that wants replicas, one that hangs, one that takes no writes for a while.
        server.command("REPLICAOF 127.0.0.1 1");
        assert_eq!(refused("read-only").await, passes);
        server.command("REPLICAOF NO ONE");
        server.command("CONFIG SET min-replicas-to-write 1");
        assert_eq!(refused("without replicas").await, passes);
        server.command("CONFIG SET min-replicas-to-write 0");
        server.signal("STOP");
        assert_eq!(refused("hanging").await, passes);
        server.signal("CONT");
        server.command("CLIENT PAUSE 1500 WRITE");
        assert_eq!(refused("paused").await, passes);
        // What was sent while it hung may have been done since: the repeat says so.
        let end = std::time::Instant::now() + Duration::from_secs(10);
        let again = async || store.write_epoch(&tag, &write(next, "x")).await;
        while !again().await.is_ok_and(|done| done == WriteOutcome::Applied) {
            assert!(std::time::Instant::now() < end, "it does not come back");
        }
        let read = store.read(&tag, &[name("a")], &[]).await.unwrap();
        assert_eq!((read.marker, read.values), (Some(marker(next + 1)), vec![Some(value(next + 1, "x"))]));
    }
    // Somebody else's key under our name does not go away by itself: a process that has yet to name a value there stops at it.
    server.command("DEL {main:1}:index");
    server.command("SET {main:1}:index x");
    let store = open(&server.url(), &hasty).await.unwrap();
    let error = store.write_epoch(&tag, &write(2, "y")).await.unwrap_err();
    assert_eq!((error.fault, error.retry), (Fault::User, false), "{error}");
}

#[tokio::test]
async fn who_goes_on_after_another_process_finds_its_marker() {
    let server = server_or_skip!("who_goes_on_after_another_process_finds_its_marker");
    let (one, other) = (open_at(&server.url()).await, open_at(&server.url()).await);
    let tag = begin(&one).await;
    for next in 0..3 {
        assert_eq!(one.write_epoch(&tag, &write(next, "one")).await.unwrap(), WriteOutcome::Applied);
    }
    assert_eq!(other.write_epoch(&tag, &write(3, "other")).await.unwrap(), WriteOutcome::Applied);
    let found = one.write_epoch(&tag, &epoch(3, 5, vec![])).await.unwrap();
    assert_eq!(found, WriteOutcome::Conflict(Some(marker(4))));
    for next in 4..6 {
        assert_eq!(one.write_epoch(&tag, &write(next, "one again")).await.unwrap(), WriteOutcome::Applied);
        assert_eq!(one.write_epoch(&tag, &write(next, "a repeat")).await.unwrap(), WriteOutcome::Applied);
    }
    let read = other.read(&tag, &[name("a")], &[]).await.unwrap();
    assert_eq!((read.marker, read.values), (Some(marker(6)), vec![Some(value(6, "one again"))]));
}

/// The keys of a server whose names begin so.
fn keys_of(server: &RedisServer, namespace: &str) -> String {
    server.command(&format!("KEYS {{{namespace}*"))
}

#[tokio::test]
async fn a_dropped_namespace_leaves_no_key_behind() {
    let server = server_or_skip!("a_dropped_namespace_leaves_no_key_behind");
    let store = open_at(&server.url()).await;
    let tag = begin(&store).await;
    assert_eq!(store.write_epoch(&tag, &write(0, "x")).await.unwrap(), WriteOutcome::Applied);
    assert!(store.put_derived(&tag, &name("a"), Offset(1), name("of a warm reader"), LONG).await.unwrap());
    // What ends soon is forgotten by the list, too.
    for number in 0..200 {
        let soon = Duration::from_millis(1);
        assert!(
            store
                .put_derived(&tag, &name(format!("gone {number}")), Offset(0), name("x"), soon)
                .await
                .unwrap()
        );
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
    for number in 0..2_500 {
        let cold = name(format!("cold {number}"));
        assert!(store.put_derived(&tag, &cold, Offset(0), name("of a cold reader"), LONG).await.unwrap());
    }
    store.hurry(&tag, Offset(9)).await.unwrap();
    assert_eq!(
        number(&server.command("ZCARD {main:1}:cold")),
        2_500,
        "the list holds no name longer than its value"
    );
    assert!((1..=60).contains(&number(&server.command("TTL {main:1}:cold"))));
    // The list of partitions lies in another slot, and may be forgotten for itself.
    server.command("DEL {main}:partitions");
    let other = open_at(&server.url()).await;
    assert_eq!(other.read(&tag, &[], &[]).await.unwrap().marker, Some(marker(1)));

    store.drop_namespace("main").await.unwrap();
    assert_eq!(keys_of(&server, "main").trim(), "*0");
    // And what comes late is not kept.
    store.hurry(&tag, Offset(9)).await.unwrap();
    assert!(!store.put_derived(&tag, &name("late"), Offset(0), name("x"), LONG).await.unwrap());
    assert_eq!(store.write_epoch(&tag, &write(1, "late")).await.unwrap(), WriteOutcome::Conflict(None));
    assert_eq!(keys_of(&server, "main").trim(), "*0");
}

#[tokio::test]
async fn a_password_is_used_and_never_shown() {
    let server = server_or_skip!("a_password_is_used_and_never_shown", "--requirepass", "s3cret-word");
    let url = |password: &str| format!("redis://:{password}@127.0.0.1:{}/0", server.port);
    let store = open_at(&url("s3cret-word")).await;
    assert!(!format!("{store:?}").contains("s3cret-word"));
    begin(&store).await;
    let error = open(&url("wrong-word"), &StateSettings::default()).await.unwrap_err();
    assert_eq!(error.fault, Fault::User, "{error}");
    assert!(
        !error.to_string().contains("wrong-word") && !format!("{error:?}").contains("wrong-word"),
        "{error}"
    );
}

#[tokio::test]
async fn tls_is_spoken_and_a_stranger_is_refused() {
    if redis_servers::binary().is_err() {
        return skip("redis_only::tls_is_spoken_and_a_stranger_is_refused");
    }
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name).display().to_string();
    if let Err(reason) = certificate(directory.path()) {
        return println!("SKIP redis_only::tls_is_spoken_and_a_stranger_is_refused: {reason}");
    }
    let (authority, certificate, key) = (file("ca.pem"), file("server.pem"), file("server.key"));
    let keys = ["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-ca-cert-file", &authority];
    let listen = ["--port", "0", "--tls-port", "PORT", "--tls-auth-clients", "no"];
    let server = RedisServer::start(&[&listen[..], &keys].concat());
    let url = format!("rediss://127.0.0.1:{}/0", server.port);
    let trusting = StateSettings { ca_file: Some(authority.into()), ..StateSettings::default() };
    let store = open(&url, &trusting).await.unwrap();
    let tag = begin(&store).await;
    assert_eq!(store.write_epoch(&tag, &write(0, "x")).await.unwrap(), WriteOutcome::Applied);
    assert_eq!(store.wait_for(&tag, Offset(1)).await.unwrap(), marker(1));
    let error = open(&url, &StateSettings::default()).await.unwrap_err();
    assert_eq!((error.fault, error.retry), (Fault::User, false), "{error}");
    let missing = StateSettings { ca_file: Some(file("none.pem").into()), ..StateSettings::default() };
    assert_eq!(open(&url, &missing).await.unwrap_err().fault, Fault::User);
}

/// Makes an authority `ca.pem`, and `server.pem` and `server.key` for the loopback.
fn certificate(directory: &std::path::Path) -> Result<(), String> {
    let openssl = |arguments: &[&str]| {
        let output = std::process::Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "2",
            ])
            .args(arguments)
            .current_dir(directory)
            .output()
            .map_err(|error| format!("no openssl: {error}"))?;
        output
            .status
            .success()
            .then_some(())
            .ok_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned())
    };
    openssl(&["-subj", "/CN=an authority", "-keyout", "ca.key", "-out", "ca.pem"])?;
    let names = ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"];
    let signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", "server.key", "-out", "server.pem"];
    openssl(&[&["-subj", "/CN=a server"], &names[..], &signed].concat())
}

#[tokio::test]
async fn a_server_that_is_away_is_named_in_one_line() {
    let url = format!("redis://me:s3cret@127.0.0.1:{}/0", redis_servers::free_port());
    for url in [url.clone(), url.replace("redis://", "redis+cluster://")] {
        let error = open(&url, &StateSettings::default()).await.unwrap_err();
        assert_eq!((error.fault, error.retry), (Fault::Outside, true), "{error}");
        let text = error.to_string();
        assert!(text.contains("127.0.0.1") && !text.contains('\n') && !text.contains("s3cret"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_moves_a_partition_and_nothing_is_lost() {
    if redis_servers::binary().is_err() {
        return skip("redis_only::a_cluster_moves_a_partition_and_nothing_is_lost");
    }
    let cluster = RedisCluster::start();
    let store = open_at(&cluster.url()).await;
    let tag = begin(&store).await;
    assert_eq!(store.write_epoch(&tag, &write(0, "before")).await.unwrap(), WriteOutcome::Applied);
    let key = "{main:1}:marker";
    let slot = number(&cluster.nodes[0].command(&format!("CLUSTER KEYSLOT {key}")));
    let holds = |node: &&RedisServer| !node.command(&format!("GET {key}")).starts_with("-MOVED");
    let from = cluster.nodes.iter().find(holds).unwrap();
    let to = cluster.nodes.iter().find(|node| !holds(node)).unwrap();
    let id = |node: &RedisServer| bulk(&node.command("CLUSTER MYID"));
    to.command(&format!("CLUSTER SETSLOT {slot} IMPORTING {}", id(from)));
    from.command(&format!("CLUSTER SETSLOT {slot} MIGRATING {}", id(to)));
    // Half moved: the marker is gone from here, the rest is not. What needs both is refused until it is whole again.
    from.command(&format!("MIGRATE 127.0.0.1 {} {key} 0 5000", to.port));
    let writer = {
        let (store, tag) = (Arc::clone(&store), tag.clone());
        tokio::spawn(async move {
            loop {
                match store.write_epoch(&tag, &write(1, "after")).await {
                    Ok(outcome) => return outcome,
                    Err(error) => assert!(error.retry, "{error}"),
                }
            }
        })
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!writer.is_finished());
    for rest in ["v:a", "mirrored", "changed", "index"] {
        from.command(&format!("MIGRATE 127.0.0.1 {} {{main:1}}:{rest} 0 5000", to.port));
    }
    for node in [to, from].into_iter().chain(&cluster.nodes) {
        node.command(&format!("CLUSTER SETSLOT {slot} NODE {}", id(to)));
    }
    let outcome = tokio::time::timeout(Duration::from_secs(20), writer).await.expect("it ends").unwrap();
    assert_eq!(outcome, WriteOutcome::Applied);
    let read = store.read(&tag, &[name("a")], &[]).await.unwrap();
    assert_eq!((read.marker, read.values), (Some(marker(2)), vec![Some(value(2, "after"))]));
}

fn number(reply: &str) -> u32 {
    reply.trim().trim_start_matches(':').parse().unwrap()
}

fn bulk(reply: &str) -> String {
    reply.lines().nth(1).unwrap().to_owned()
}
