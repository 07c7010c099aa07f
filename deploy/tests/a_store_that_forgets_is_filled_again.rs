//! A Redis that loses what it had while the worker lives and events flow: killed and started with its data, with an older file, empty; a Cluster that
//! fails over to a replica that was late. State and marker are lost together, so the log is read again from there, and the state ends with
//! the bytes that it has where nothing happened. And a backup that is put back needs no more than a start.

#![allow(clippy::unwrap_used)] // Tests.

mod common;

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use common::{
    Home, at_length, copy_folder,
    pipeline::{Pipeline, count, end, hash},
    program::eventually,
    say,
    servers::{Server, redis_cli},
    skip,
};

/// Between two appends.
const PAUSE: Duration = Duration::from_millis(10);
/// Where Redis keeps its append-only files, below its folder.
const AOF: &str = "appendonlydir";

/// What a worker says when the store has another marker than it wrote.
const BEGINS_AGAIN: &str = "the partition begins again from its stored marker";
const MOVED_WHILE_IDLE: &str = "the stored marker moved while the partition was idle";

fn replace_folder(from: &Path, to: &Path) {
    fs::remove_dir_all(to).unwrap();
    copy_folder(from, to);
}

#[test]
fn a_redis_that_is_killed_and_comes_back_with_all_some_or_nothing() {
    let servers = || Ok::<_, String>((Server::shared_kafka()?, Server::redis()?));
    let (kafka, redis) = match servers() {
        Ok(servers) => servers,
        Err(reason) => {
            return skip("a_redis_that_is_killed_and_comes_back_with_all_some_or_nothing", &reason);
        }
    };
    let started = Instant::now();
    let (mut resets, mut idle, mut records, mut resent) = (0, 0, 0, 0);
    for (seed, empty) in [(1, false), (2, true)] {
        let state_url = format!("redis://127.0.0.1:{}/{seed}", redis.port);
        let mut pipeline = Pipeline::new(&format!("forgets-{seed}"), kafka.port, &state_url);
        if empty {
            pipeline = pipeline.with_model();
        }
        let (outside, home) = (pipeline.home(), pipeline.home());
        let worker = pipeline.worker(&home);
        let feeder = pipeline.feed(pipeline.stream(seed, 480), PAUSE);
        let files = redis.folder().join(AOF);
        let older = Home::new();
        let forget = || {
            redis.kill();
            fs::remove_dir_all(&files).unwrap();
            if !empty {
                copy_folder(older.path(), &files);
            }
            redis.start_again().unwrap();
        };

        feeder.reaches(100);
        redis.kill();
        redis.start_again().unwrap();
        feeder.reaches(180);
        copy_folder(&files, older.path());
        feeder.reaches(360);
        forget();
        feeder.finish();
        // Compared each time: a later loss would hide what an earlier one left behind.
        pipeline.check(&outside);
        // While nothing flows, too: the worker looks.
        forget();
        let checked = pipeline.check(&outside);
        let said = end(worker);
        resets += count(&said, BEGINS_AGAIN);
        idle += count(&said, MOVED_WHILE_IDLE);
        records += checked.records;
        resent += checked.copies - checked.strays;
    }
    say(&format!(
        "Redis that forgets: 2 restarts with its data, 2 with an older file, 2 empty, of each one under the stream and one while idle; {records} \
         records, {resets} partitions began again at a conflict, {idle} were found moved while idle; {resent} copies sent again, none counted; \
         digests equal each time, {:.0} s",
        started.elapsed().as_secs_f64()
    ));
    assert!(resets > 0 && idle > 0, "the worker noticed: {resets} at conflicts, {idle} while idle");
}

#[test]
fn a_cluster_that_fails_over_to_a_late_replica() {
    let servers = || Ok::<_, String>((Server::shared_kafka()?, Server::redis_cluster()?));
    let (kafka, cluster) = match servers() {
        Ok(servers) => servers,
        Err(reason) => return skip("a_cluster_that_fails_over_to_a_late_replica", &reason),
    };
    let started = Instant::now();
    let nodes: Vec<String> = (0..3).map(|node| format!("127.0.0.1:{}", cluster.port + node)).collect();
    let mut pipeline = Pipeline::new("failover", kafka.port, &format!("redis+cluster://{}", nodes.join(",")));
    let (outside, home) = (pipeline.home(), pipeline.home());
    let worker = pipeline.worker(&home);
    // It owns its partitions and writes before anything is taken from it.
    pipeline.append(pipeline.stream(6, 40));
    pipeline.settle();
    let fail_overs = at_length(2, 12);
    let feeder = pipeline.feed(pipeline.stream(7, 80 + 240 * fail_overs), PAUSE);
    let mut lost = 0;
    // The primary of the partitions 0 and 1 and of the intake's partition 0, and that of the others.
    let mut primaries = [cluster.port, cluster.port + 2];
    for round in 0..fail_overs {
        let from = 60 + 240 * round;
        feeder.reaches(from);
        let primary = primaries[round % 2];
        let replica = replica_of(primary);
        cut_off(replica);
        let before = keys(replica);
        feeder.reaches(from + 120);
        lost += written_since(primary, replica);
        let node = primary - cluster.port;
        cluster.signal(&node.to_string(), "KILL");
        redis_cli(replica, 0, &["cluster", "failover", "takeover"]);
        redis_cli(replica, 0, &["config", "set", "masterauth", ""]);
        assert!(keys(replica) >= before);
        // What was the primary comes back with more than the cluster knows, and has to give it up.
        feeder.reaches(from + 160);
        cluster.start_node_again(node);
        primaries[round % 2] = replica;
    }
    feeder.finish();
    let checked = pipeline.check(&outside);
    let said = end(worker);
    let (resets, idle) = (count(&said, BEGINS_AGAIN), count(&said, MOVED_WHILE_IDLE));
    say(&format!(
        "Redis Cluster: {fail_overs} fail-overs to late replicas, which lost {lost} bytes of writes; {} records, {resets} partitions began again at a \
         conflict, {idle} were found moved while idle, {} copies sent again; digest equal, {:.0} s",
        checked.records,
        checked.copies - checked.strays,
        started.elapsed().as_secs_f64()
    ));
    assert!(lost > 0 && resets + idle >= fail_overs, "the replicas were late, and the worker noticed");
}

/// The port of a primary's replica.
fn replica_of(primary: u16) -> u16 {
    eventually("its replica follows", || {
        let said = redis_cli(primary, 0, &["info", "replication"]);
        let replica =
            said.lines().find(|line| line.starts_with("slave0:") && line.contains("state=online"))?;
        replica.split(',').find_map(|field| field.strip_prefix("port="))?.parse().ok()
    })
}

/// Cuts a replica off from its primary, which goes on without it: it comes back with a password that the primary does not take.
fn cut_off(replica: u16) {
    redis_cli(replica, 0, &["config", "set", "masterauth", "wrong"]);
    redis_cli(replica, 0, &["client", "kill", "type", "master"]);
    eventually("the replica is cut off", || {
        redis_cli(replica, 0, &["info", "replication"]).contains("master_link_status:down").then_some(())
    });
}

/// How many bytes of its primary's writes a replica lacks.
fn written_since(primary: u16, replica: u16) -> u64 {
    let field = |port: u16, name: &str| -> u64 {
        let said = redis_cli(port, 0, &["info", "replication"]);
        let line = said.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{said}"));
        line.trim().parse().unwrap()
    };
    field(primary, "master_repl_offset:") - field(replica, "slave_repl_offset:")
}

fn keys(port: u16) -> u64 {
    redis_cli(port, 0, &["dbsize"]).parse().unwrap()
}

#[test]
fn a_backup_of_redis_that_is_put_back() {
    // Without its append-only file, Redis starts from the snapshot.
    let servers = || Ok::<_, String>((Server::shared_kafka()?, Server::redis_with(&["--appendonly", "no"])?));
    let (kafka, redis) = match servers() {
        Ok(servers) => servers,
        Err(reason) => return skip("a_backup_of_redis_that_is_put_back", &reason),
    };
    let state_url = format!("redis://127.0.0.1:{}/0", redis.port);
    let mut pipeline = Pipeline::new("backup", kafka.port, &state_url);
    let (outside, home) = (pipeline.home(), pipeline.home());
    let worker = pipeline.worker(&home);
    pipeline.append(pipeline.stream(11, 120));
    let old = pipeline.settle();
    redis_cli(redis.port, 0, &["save"]);
    let backup = fs::read(redis.folder().join("dump.rdb")).unwrap();
    pipeline.append(pipeline.stream(12, 120));
    pipeline.settle();
    let before = outside.digest("main");
    end(worker);

    redis.kill();
    fs::write(redis.folder().join("dump.rdb"), backup).unwrap();
    redis.start_again().unwrap();
    assert_eq!(pipeline.markers("main"), Some(old), "state and marker are those of the backup");
    let worker = pipeline.worker(&home);
    let checked = pipeline.check(&outside);
    end(worker);
    // The intake sent again what its marker did not name: offsets and digest of the log with those copies are the oracle's, too.
    say(&format!(
        "backup of Redis: put back 120 records late, {} records folded, {} copies sent again, digest {} (before: {})",
        checked.records,
        checked.copies - checked.strays,
        hash(&outside.digest("main")),
        hash(&before)
    ));
    assert_eq!(hash(&outside.digest("main")), hash(&before));
}

#[test]
fn a_backup_of_the_embedded_file_that_is_put_back() {
    use abovefold_engine::log::{LogSettings, open};
    use common::stream::{append, block_on, make_topics, stream};
    let home = Home::new().with("WINDOW__LENGTH", "20ms");
    let log = || open(&format!("file:{}", home.at("log").display()), &LogSettings::default()).unwrap();
    let work = || {
        let mut program = common::program::Program::spawn(home.command(&["run", "--listen", "127.0.0.1:0"]));
        program.address();
        eventually("the lag is 0", || (home.json(&["inspect", "lag", "--json"])["lag"] == 0).then_some(()));
        end(program);
    };
    block_on(async {
        make_topics(log().as_ref(), "user_events", "articles").await;
        append(log().as_ref(), "user_events", stream(21, 150, false)).await;
    });
    work();
    let backup = Home::new();
    copy_folder(&home.at("state"), &backup.at("state"));
    let old = home.digest("main");
    block_on(append(log().as_ref(), "user_events", stream(22, 150, false)));
    work();
    let before = home.digest("main");
    assert_ne!(before, old);
    replace_folder(&backup.at("state"), &home.at("state"));
    assert_eq!(home.digest("main"), old, "state and marker are those of the backup");
    work();
    assert_eq!(home.digest("main"), before, "the tail of the log was folded again");
}
