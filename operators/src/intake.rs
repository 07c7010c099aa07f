//! The intake: undecodable records to the dead letters, strays to their home. A small dataflow with a group and a marker of its own.
//!
//! It sends in order and moves its marker after the acknowledgements, so a crash repeats the last sends; the homes and the readers of the dead
//! letters tell a repeat by its origin.

use std::{sync::Arc, time::Duration};

use abovefold_engine::{
    Emitter, Epoch, Feed, Operator, Result, Runtime,
    log::{Log, NewRecord, Record},
    state::EpochWrite,
};
use abovefold_schemas::{
    Kept,
    records::{DeadLetter, ORIGIN_HEADER, PUT_BACK_HEADER},
};
use bytes::Bytes;

use crate::{
    decode::{DecodedRun, columns, home_of},
    metrics::{DEAD_LETTERS, STRAYS_PASSED_ON},
};

/// The state namespace that holds the intake's markers. No fold lives there.
pub const INTAKE_NAMESPACE: &str = "intake";

/// Passes on what does not belong where it is, then hands on an epoch that only moves the marker.
#[derive(Debug)]
pub struct Intake {
    /// The log.
    pub log: Arc<dyn Log>,
    /// The topic of the events.
    pub topic: String,
    /// The topic of the dead letters.
    pub dead_letters: String,
    /// Partitions of the events.
    pub partitions: u32,
    /// Clock.
    pub runtime: Runtime,
}

impl Intake {
    /// What has to be sent for one run, dead letters and strays.
    pub fn outgoing(&self, run: &DecodedRun) -> (Vec<NewRecord>, Vec<NewRecord>) {
        let dead = run.dead.iter().map(|dead| self.dead_letter(run, dead.index, &dead.reason)).collect();
        let rows = columns(run);
        let mut strays = Vec::new();
        let mut record_of_row = 0;
        for row in 0..rows.len() {
            let offset = rows.row(row).offset;
            while run.records[record_of_row].offset < offset {
                record_of_row += 1;
            }
            let home = home_of(rows.user_id(row), self.partitions);
            let record = &run.records[record_of_row];
            // A copy is never passed on: it was sent to where its reader was at home when it was made.
            let is_copy = record.header(ORIGIN_HEADER).is_some() || record.header(PUT_BACK_HEADER).is_some();
            if home != run.partition && !is_copy {
                strays.push(stray(record, run.partition, home, rows.user_id(row)));
            }
        }
        (dead, strays)
    }

    fn dead_letter(&self, run: &DecodedRun, index: usize, reason: &str) -> NewRecord {
        let record = &run.records[index];
        let letter = DeadLetter {
            topic: self.topic.clone(),
            partition: run.partition,
            offset: record.offset.0,
            time: record.time.0,
            key: record.key.as_ref().map(|key| key.to_vec()),
            value: record.value.to_vec(),
            reason: reason.into(),
        };
        NewRecord::keyed(letter.id(), letter.to_kept())
    }

    /// Sends, and tries again for as long as the topic is out of reach: nothing is dropped.
    async fn send(&self, topic: &str, records: Vec<NewRecord>) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let mut pause = Duration::from_millis(100);
        loop {
            match self.log.append(topic, records.clone()).await {
                Ok(_) => return Ok(()),
                Err(error) if error.retry => {
                    tracing::warn!(%error, topic, "the intake waits: nothing is dropped");
                    self.runtime.sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
                Err(error) => return Err(error),
            }
        }
    }
}

fn stray(record: &Record, partition: u32, home: u32, user_id: &str) -> NewRecord {
    let mut headers = record.headers.clone();
    headers.push((ORIGIN_HEADER.into(), Bytes::from(format!("{partition}:{}", record.offset))));
    NewRecord {
        partition: Some(home),
        key: Some(Bytes::copy_from_slice(user_id.as_bytes())),
        value: record.value.clone(),
        headers,
        time: Some(record.time),
    }
}

impl Operator for Intake {
    type In = Feed<Epoch<DecodedRun>>;
    type Out = Feed<EpochWrite>;

    fn name(&self) -> &'static str {
        "intake"
    }

    async fn handle(&mut self, input: Self::In, out: &mut Emitter<Self::Out>) -> Result<()> {
        if let Feed::Data { data: epoch, .. } = &input {
            for run in &epoch.runs {
                let (dead, strays) = self.outgoing(run);
                metrics::counter!(DEAD_LETTERS).increment(dead.len() as u64);
                metrics::counter!(STRAYS_PASSED_ON).increment(strays.len() as u64);
                self.send(&self.dead_letters, dead).await?;
                self.send(&self.topic, strays).await?;
            }
        }
        let moved = input.map(|epoch| EpochWrite {
            expected: epoch.expected,
            target: epoch.target,
            puts: Vec::new(),
            invalidated: Vec::new(),
        });
        out.emit(moved).await
    }
}
