//! Forgotten readers stay forgotten: from a state that stands at a past moment, whoever asked for it later is removed as well.

use abovefold_engine::{
    log::RecordRun,
    source::read_to_end,
    state::{EpochWrite, Put, Tag, Value, WriteOutcome},
};
use abovefold_operators::{
    decode::{Decode, columns, home_of},
    fold::summary::{Begin, counts, note_dead, remove},
};
use abovefold_schemas::{
    EventKind, Kept, Marker, Offset, ReaderId,
    keys::{reader_key, summary_key},
    records::NamespaceRecord,
    state::PartitionSummary,
};
use anyhow::{Context, bail};
use bytes::Bytes;
use futures::TryStreamExt;

use crate::session::Session;

/// Readers that are removed by one atomic call.
const TOGETHER: usize = 256;

/// What a search for wishes to be forgotten found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Searched {
    /// Up to where the log was searched, for each partition.
    pub until: Vec<Offset>,
    /// Readers that were removed.
    pub readers: usize,
}

/// A wish to be forgotten: the reader, and the offset after it.
type Wish = (ReaderId, Offset);

/// A partition of the namespace while the log after its marker is searched.
struct Partition {
    tag: Tag,
    begin: Begin,
    marker: Marker,
    /// As it is stored, and beside it copies that were met since.
    summary: PartitionSummary,
    wishes: Vec<Wish>,
}

/// Searches the log after a namespace's markers (but not again before `from`) for readers who asked to be forgotten, and removes them. Each
/// removal is an epoch: all of it or nothing, and only while nobody else writes.
///
/// # Errors
/// When an edge does not answer, somebody else writes into the namespace, or the log no longer holds all that is to be searched.
pub async fn remove_forgotten(
    session: &Session,
    namespace: &NamespaceRecord,
    from: Option<&[Offset]>,
) -> anyhow::Result<Searched> {
    let log = session.edges.log.as_ref();
    let topic = &session.edges.topics.user_events;
    let bounds = log.bounds(topic).await?;
    let mut partitions = Vec::new();
    let mut starts = Vec::new();
    for (number, bounds) in (0..session.edges.partitions).zip(&bounds) {
        let partition = open(session, namespace, number).await?;
        let next = partition.as_ref().map_or(bounds.end, |partition| {
            let searched = partition.marker.forgotten.unwrap_or(partition.marker.next);
            from.and_then(|from| from.get(number as usize)).copied().unwrap_or_default().max(searched)
        });
        if next < bounds.begin {
            bail!(
                "search {topic}, partition {number}, from offset {next} for readers who are forgotten: the log now begins at offset {}, and who \
                 asked before that is not known; drop the namespace {}",
                bounds.begin,
                namespace.name
            );
        }
        starts.push(next);
        partitions.push(partition);
    }
    let mut decode = Decode::default();
    let mut until: Vec<Offset> = bounds.iter().map(|bounds| bounds.end).collect();
    let mut runs = std::pin::pin!(read_to_end(log, topic, &starts).await?);
    while let Some(run) = runs.try_next().await? {
        let place = run.partition as usize;
        if let Some(end) = until.get_mut(place) {
            *end = run.next.max(*end);
        }
        if let Some(Some(partition)) = partitions.get_mut(place) {
            partition.search(&mut decode, run, session.edges.partitions);
        }
    }
    let mut readers = 0;
    for mut partition in partitions.into_iter().flatten() {
        for wishes in std::mem::take(&mut partition.wishes).chunks(TOGETHER) {
            readers += partition.remove(session, wishes).await?;
        }
    }
    Ok(Searched { until, readers })
}

/// A partition as it is stored; `None` where nothing was ever written.
async fn open(
    session: &Session,
    namespace: &NamespaceRecord,
    number: u32,
) -> anyhow::Result<Option<Partition>> {
    let tag = Tag { namespace: namespace.name.clone(), partition: number };
    let first = namespace.first_offsets.get(number as usize).copied().unwrap_or_default();
    let begin = Begin { partition: number, first: Offset(first) };
    let snapshot = session.edges.store.read(&tag, &[summary_key()], &[]).await?;
    let Some(marker) = snapshot.marker else { return Ok(None) };
    let summary = snapshot.values.into_iter().next().flatten();
    let summary = summary.map(|value| PartitionSummary::from_kept(&value.bytes)).transpose();
    let summary = summary.with_context(|| format!("read the summary of {tag}"))?.unwrap_or_default();
    Ok(Some(Partition { tag, begin, marker, summary, wishes: Vec::new() }))
}

impl Partition {
    /// Notes who asks to be forgotten, as the fold would take it: not where it is no event, not away from home, not a copy that was met before.
    fn search(&mut self, decode: &mut Decode, run: RecordRun, partitions: u32) {
        let run = decode.run(run);
        let rows = columns(&run);
        let mut dead = run.dead.iter().copied().peekable();
        for row in (0..rows.len()).map(|row| rows.row(row)) {
            while let Some(offset) = dead.next_if(|offset| *offset < row.offset) {
                note_dead(&mut self.summary, offset);
            }
            if home_of(row.user_id, partitions) != self.begin.partition
                || !counts(&mut self.summary, &row, self.begin)
            {
                continue;
            }
            if row.kind == EventKind::Forget {
                let reader = ReaderId::new(row.user_id);
                // Only a legal id is decoded.
                self.wishes.extend(reader.ok().map(|reader| (reader, row.offset.next())));
            }
        }
        dead.for_each(|offset| note_dead(&mut self.summary, offset));
    }

    /// Removes these readers by one epoch, where there is anything of them. Returns how many.
    async fn remove(&mut self, session: &Session, wishes: &[Wish]) -> anyhow::Result<usize> {
        let mut first: Vec<&Wish> = Vec::with_capacity(wishes.len());
        for wish in wishes {
            // A reader may have asked twice.
            if !first.iter().any(|(reader, _)| *reader == wish.0) {
                first.push(wish);
            }
        }
        let mut keys: Vec<Bytes> = first.iter().map(|(reader, _)| reader_key(reader)).collect();
        keys.push(summary_key());
        let mut snapshot = session.edges.store.read(&self.tag, &keys, &[]).await?;
        let stored = snapshot.values.pop().flatten();
        let mut summary = match &stored {
            Some(value) => PartitionSummary::from_kept(&value.bytes)?,
            None => PartitionSummary::default(),
        };
        let (mut puts, mut invalidated) = (Vec::new(), Vec::new());
        let mut listed_until = None;
        let mut known = 0;
        for ((reader, after), value) in first.into_iter().zip(snapshot.values) {
            let listed = remove(&mut summary, reader);
            if listed {
                listed_until = Some(*after);
            }
            if value.is_some() {
                puts.push(Put { key: reader_key(reader), value: None, mirrored: false });
                invalidated.push(reader_key(reader));
            }
            known += usize::from(listed || value.is_some());
        }
        if let Some(version) = listed_until {
            let value = Value { version, bytes: summary.to_kept().into() };
            puts.push(Put { key: summary_key(), value: Some(value), mirrored: true });
        }
        if puts.is_empty() {
            return Ok(0);
        }
        let searched = wishes.last().map(|(_, after)| *after);
        let target = Marker { forgotten: searched, ..self.marker };
        let epoch = EpochWrite { expected: self.marker, target, puts, invalidated };
        match session.edges.store.write_epoch(&self.tag, &epoch).await? {
            WriteOutcome::Applied => {
                self.marker = target;
                Ok(known)
            }
            WriteOutcome::Conflict(_) => bail!(
                "remove forgotten readers from {}: somebody else writes there; stop that, and run this again",
                self.tag
            ),
        }
    }
}

/// Whether anybody asked to be forgotten between a namespace's markers and the end that the log has now. Changes nothing.
///
/// # Errors
/// When an edge does not answer.
pub async fn is_anybody_forgotten_since(session: &Session, from: &[Offset]) -> anyhow::Result<bool> {
    let (log, topic) = (session.edges.log.as_ref(), &session.edges.topics.user_events);
    let mut decode = Decode::default();
    let mut runs = std::pin::pin!(read_to_end(log, topic, from).await?);
    while let Some(run) = runs.try_next().await? {
        let run = decode.run(run);
        let rows = columns(&run);
        if (0..rows.len()).any(|row| rows.row(row).kind == EventKind::Forget) {
            return Ok(true);
        }
    }
    Ok(false)
}
