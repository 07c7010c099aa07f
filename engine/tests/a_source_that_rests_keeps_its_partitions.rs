//! While a source rests it takes nothing from the log, and stays a member of its group with all its partitions; then it goes on where it was.

#![allow(clippy::unwrap_used)] // Tests.

use std::{sync::Arc, time::Duration};

use abovefold_engine::{
    Emitter, Feed, PartitionedSource, Pause, Simulation, SourceSettings, Troubles,
    log::{Log, Membership, MemoryLog, NewRecord, RecordRun},
    state::MemoryStore,
};
use abovefold_schemas::{Offset, Timestamp};
use tokio::sync::{mpsc, watch};

const TOPIC: &str = "events";

/// The offsets of a message's records; none where it has none.
fn offsets(message: Feed<RecordRun>) -> Vec<Offset> {
    match message {
        Feed::Data { data, .. } => data.records.iter().map(|record| record.offset).collect(),
        Feed::End { .. } => panic!("it lost a partition"),
        Feed::Begin { .. } | Feed::Acked { .. } | Feed::Hurry { .. } => Vec::new(),
    }
}

#[test]
fn and_goes_on_where_it_was() {
    let simulation = Simulation::new(Timestamp(0), 3);
    let runtime = simulation.runtime();
    simulation
        .run(async move {
            let clock = runtime.clone();
            let log = MemoryLog::new(Arc::new(move || clock.now()));
            log.create_topic(TOPIC, 1).await.unwrap();
            log.append(TOPIC, vec![NewRecord::keyed("a", "0")]).await.unwrap();
            let (pause, (_feedback, signals)) = (Pause::default(), mpsc::unbounded_channel());
            let (stop, stopped) = watch::channel(false);
            let (sender, mut feed) = mpsc::channel(64);
            let source = PartitionedSource {
                settings: SourceSettings {
                    dataflow: "test",
                    topic: TOPIC.into(),
                    membership: Membership { group: "workers".into(), member: None },
                    namespace: "main".into(),
                    first_offsets: Vec::new(),
                    until: None,
                    admit: None,
                },
                log: Arc::new(log.clone()),
                store: Arc::new(MemoryStore::within(runtime.clone())),
                signals,
                stop: stopped,
                pause: pause.clone(),
                troubles: Troubles::none(),
                runtime: runtime.clone(),
            };
            let running = runtime.spawn(source.run(Emitter::new(sender)));
            runtime.sleep(Duration::from_secs(5)).await;
            let begun: Vec<Offset> = std::iter::from_fn(|| feed.try_recv().ok()).flat_map(offsets).collect();
            assert_eq!(begun, [Offset(0)]);

            pause.set(true);
            runtime.sleep(Duration::from_secs(1)).await;
            log.append(TOPIC, vec![NewRecord::keyed("a", "1")]).await.unwrap();
            // Longer than any group waits for a member that says nothing.
            runtime.sleep(Duration::from_secs(600)).await;
            assert!(feed.try_recv().is_err(), "it rests");
            assert!(pause.is_set());

            pause.set(false);
            let next = runtime.timeout(Duration::from_secs(5), feed.recv()).await.unwrap().unwrap();
            assert_eq!(offsets(next), [Offset(1)]);
            stop.send_replace(true);
            drop((running, feed));
        })
        .unwrap();
}
