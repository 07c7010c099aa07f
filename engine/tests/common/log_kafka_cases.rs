//! What only Kafka can be asked: shared groups, lost members, foreign producers, a log that is cut.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    io::Write as _,
    os::unix::ffi::OsStrExt as _,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use abovefold_engine::{
    Fault,
    log::{self, Log, LogMember, LogSettings, MemberEvent, Membership, NewRecord, Position, partition_of},
};
use abovefold_schemas::Offset;
use bytes::Bytes;
use rdkafka::{
    ClientConfig, Offset as Place, TopicPartitionList,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
};

use super::kafka::KafkaServer;
use super::log_cases::{assigned, in_time, membership, next_run, numbered, read_all, run, stays_silent};

pub async fn all(server: &KafkaServer) {
    let url = &server.url("user_events");
    let port = server.port;
    let open = || log::open(url, &LogSettings::default()).unwrap();
    run("kafka", "two members share the partitions", two_members_share(open())).await;
    run("kafka", "a static member comes back without a rebalance", a_static_member_comes_back(open())).await;
    run("kafka", "a member that dies is replaced after its time-out", a_dead_member_is_replaced(open()))
        .await;
    run("kafka", "keys go where kcat puts them", keys_go_where_kcat_puts_them(open(), port)).await;
    run("kafka", "a log that is cut while it is read is refused", a_cut_log_is_refused(open(), port)).await;
    run("kafka", "a broker that restarts costs nothing", a_restart_costs_nothing(open(), server)).await;
}

/// Serves a member until the condition holds: starts what it is given at 0, and forgets what it loses.
async fn serve(member: &mut dyn LogMember, held: &mut BTreeSet<u32>, until: impl Fn(&BTreeSet<u32>) -> bool) {
    while !until(held) {
        match in_time(member.next()).await.unwrap() {
            MemberEvent::Assigned(partitions) => {
                for partition in partitions {
                    assert!(held.insert(partition));
                    member.start(partition, Offset(0)).await.unwrap();
                }
            }
            MemberEvent::Revoked(partitions) => partitions.iter().for_each(|partition| {
                held.remove(partition);
            }),
            MemberEvent::Records(run) => {
                assert!(held.contains(&run.partition), "records of what it does not hold")
            }
        }
    }
}

async fn two_members_share(log: Arc<dyn Log>) {
    log.create_topic("share", 6).await.unwrap();
    for partition in 0..6 {
        log.append("share", numbered(partition, 0..50)).await.unwrap();
    }
    let (mut ours, mut theirs) = (BTreeSet::new(), BTreeSet::new());
    let mut first = log.join("share", membership("share")).await.unwrap();
    serve(&mut *first, &mut ours, |held| held.len() == 6).await;
    let begun = Instant::now();
    let mut second = log.join("share", membership("share")).await.unwrap();
    futures::join!(
        serve(&mut *first, &mut ours, |held| held.len() == 3),
        serve(&mut *second, &mut theirs, |held| held.len() == 3)
    );
    println!("  shared after {:?}: {ours:?} and {theirs:?}", begun.elapsed());
    assert!(ours.is_disjoint(&theirs));
    // Each reads its own, from where it says.
    for (member, held) in [(&mut first, &ours), (&mut second, &theirs)] {
        let mut counts = BTreeMap::new();
        for partition in held {
            member.start(*partition, Offset(30)).await.unwrap();
        }
        while counts.values().sum::<usize>() < 60 {
            let run = next_run(&mut **member).await;
            assert_eq!(run.records[0].offset.0, 30 + *counts.get(&run.partition).unwrap_or(&0) as u64);
            *counts.entry(run.partition).or_default() += run.records.len();
        }
        assert!(counts.keys().eq(held));
        assert!(stays_silent(member.next()).await);
    }
    let begun = Instant::now();
    second.leave().await.unwrap();
    serve(&mut *first, &mut ours, |held| held.len() == 6).await;
    println!("  taken over after {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(6), "it waited for a time-out");
    first.leave().await.unwrap();
}

async fn a_static_member_comes_back(log: Arc<dyn Log>) {
    log.create_topic("static", 4).await.unwrap();
    let named = |name: &str| Membership { group: "static".into(), member: Some(name.into()) };
    let (mut ours, mut theirs) = (BTreeSet::new(), BTreeSet::new());
    let mut first = log.join("static", named("a")).await.unwrap();
    serve(&mut *first, &mut ours, |held| held.len() == 4).await;
    let mut second = log.join("static", named("b")).await.unwrap();
    futures::join!(
        serve(&mut *first, &mut ours, |held| held.len() == 2),
        serve(&mut *second, &mut theirs, |held| held.len() == 2)
    );
    let before = theirs.clone();
    second.leave().await.unwrap();
    let mut second = log.join("static", named("b")).await.unwrap();
    let mut back = assigned(&mut *second).await;
    back.sort_unstable();
    assert!(back.iter().eq(&before), "{back:?} instead of {before:?}");
    assert!(stays_silent(first.next()).await, "the other member did not notice");
    // The same id twice: the elder is told so.
    let mut third = log.join("static", named("b")).await.unwrap();
    assigned(&mut *third).await;
    let fenced = loop {
        match in_time(second.next()).await {
            Ok(MemberEvent::Revoked(_)) => {}
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    println!("  refused: {fenced}");
    assert_eq!(fenced.fault, Fault::User);
    first.leave().await.unwrap();
    third.leave().await.unwrap();
}

async fn a_dead_member_is_replaced(log: Arc<dyn Log>) {
    log.create_topic("dead", 2).await.unwrap();
    let named = |name: &str| Membership { group: "dead".into(), member: Some(name.into()) };
    let mut first = log.join("dead", named("a")).await.unwrap();
    assert_eq!(assigned(&mut *first).await, [0, 1]);
    // A static member that goes says nothing, like one that dies.
    drop(first);
    let begun = Instant::now();
    let mut second = log.join("dead", named("b")).await.unwrap();
    let mut held = BTreeSet::new();
    serve(&mut *second, &mut held, |held| held.len() == 2).await;
    println!("  replaced after {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(15));
    second.leave().await.unwrap();
}

/// Has kcat write lines of `key:value`; says why where there is none.
fn kcat(port: u16, lines: &str, more: &[&OsStr]) -> Result<(), String> {
    let mut kcat = Command::new("kcat")
        .args(["-P", "-b", &format!("127.0.0.1:{port}"), "-t", "kcat", "-K", ":"])
        .args(["-X", "topic.partitioner=murmur2_random"])
        .args(more)
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| format!("kcat: {error}; apt-get install kcat"))?;
    kcat.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    assert!(kcat.wait().unwrap().success());
    Ok(())
}

async fn keys_go_where_kcat_puts_them(log: Arc<dyn Log>, port: u16) {
    log.create_topic("kcat", 7).await.unwrap();
    let keys: Vec<_> = (0..500).map(|at| format!("reader-{}", at * 7_919)).collect();
    let lines: String = keys.iter().map(|key| format!("{key}:by kcat\n")).collect();
    if let Err(reason) = kcat(port, &lines, &[]) {
        println!("SKIP keys_go_where_kcat_puts_them: {reason}");
        return;
    }
    // A header whose name is not UTF-8 is unreadable to us, and no reason to stop.
    let header = [OsStr::new("-H"), OsStr::from_bytes(b"not-utf-8-\xff=1")];
    kcat(port, "reader:odd\n", &header).unwrap();
    log.append("kcat", keys.iter().map(|key| NewRecord::keyed(key.clone(), "by us")).collect())
        .await
        .unwrap();
    let mut counts = BTreeMap::new();
    for (partition, records) in read_all(&*log, "kcat").await {
        for record in records {
            assert_eq!(partition_of(record.key.as_deref().unwrap(), 7), partition, "{:?}", record.key);
            assert_eq!(record.headers.len(), usize::from(record.value == "odd"));
            *counts.entry(record.value).or_insert(0) += 1;
        }
    }
    let expected = [("by kcat", 500), ("by us", 500), ("odd", 1)];
    assert_eq!(counts, expected.map(|(value, count)| (Bytes::from(value), count)).into());
}

async fn a_cut_log_is_refused(log: Arc<dyn Log>, port: u16) {
    const COUNT: usize = 80;
    log.create_topic("cut", 1).await.unwrap();
    for _ in 0..COUNT {
        let value: Vec<u8> =
            (0..1_u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        log.append("cut", vec![NewRecord::keyed("k", value)]).await.unwrap();
    }
    let mut reader = log.read("cut", vec![Position { partition: 0, offset: Offset(0) }]).await.unwrap();
    let mut place = in_time(reader.next()).await.unwrap().next.0;
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", format!("127.0.0.1:{port}")).create().unwrap();
    let mut cut = TopicPartitionList::new();
    cut.add_partition_offset("cut", 0, Place::Offset(COUNT as i64 - 1)).unwrap();
    admin.delete_records(&cut, &AdminOptions::new()).await.unwrap();
    let error = loop {
        match in_time(reader.next()).await {
            Ok(run) => {
                assert_eq!(run.records[0].offset.0, place, "nothing is skipped");
                place = run.next.0;
            }
            Err(error) => break error,
        }
    };
    println!("  refused after {place} records: {error}");
    assert_eq!(error.fault, Fault::User);
    assert!(error.to_string().contains("holds offsets 79 to 80"), "{error}");
    assert!(place < COUNT as u64 - 1);
    // And a member is refused at its start.
    let mut member = log.join("cut", membership("cut")).await.unwrap();
    assigned(&mut *member).await;
    assert_eq!(member.start(0, Offset(5)).await.unwrap_err().fault, Fault::User);
    member.leave().await.unwrap();
}

async fn a_restart_costs_nothing(log: Arc<dyn Log>, server: &KafkaServer) {
    log.create_topic("restart", 1).await.unwrap();
    log.append("restart", numbered(0, 0..100)).await.unwrap();
    let mut member = log.join("restart", membership("restart")).await.unwrap();
    let mut reader = log.read("restart", vec![Position { partition: 0, offset: Offset(0) }]).await.unwrap();
    assigned(&mut *member).await;
    member.start(0, Offset(0)).await.unwrap();
    let mut places = [0, 0];
    while places[0] < 100 {
        places[0] = next_run(&mut *member).await.next.0;
    }
    server.stop();
    let appended = {
        let log = Arc::clone(&log);
        tokio::spawn(async move { log.append("restart", numbered(0, 100..200)).await })
    };
    server.start_again().unwrap();
    assert_eq!(in_time(appended).await.unwrap().unwrap().last().unwrap().offset, Offset(199));
    while places[0] < 200 {
        match in_time(member.next()).await.unwrap() {
            MemberEvent::Records(run) => {
                assert_eq!(run.records[0].offset.0, places[0]);
                places[0] = run.next.0;
            }
            // It may find itself expelled.
            MemberEvent::Revoked(_) => {}
            MemberEvent::Assigned(_) => member.start(0, Offset(places[0])).await.unwrap(),
        }
    }
    while places[1] < 200 {
        let run = in_time(reader.next()).await.unwrap();
        assert_eq!(run.records[0].offset.0, places[1]);
        places[1] = run.next.0;
    }
    member.leave().await.unwrap();
}
