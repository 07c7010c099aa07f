//! What a source asks of the log beside the tail: whether it still is the one that was folded, and all that it holds now.

use std::collections::BTreeSet;

use abovefold_schemas::{Marker, Offset};
use futures::Stream;

use crate::{
    error::{EngineError, Result},
    log::{Log, Position, RecordRun},
};

/// Refuses to go on from a marker that the log does not bear out.
///
/// # Errors
/// When the log ends before the marker (cut or recreated), begins after it (retention), or holds another record where the last one that was
/// folded should be.
pub async fn check_log(log: &dyn Log, topic: &str, partition: u32, marker: Marker) -> Result<()> {
    let tried = format!("go on with {topic}, partition {partition}, from {marker}");
    let bounds = log.bounds(topic).await?;
    let Some(bounds) = bounds.get(partition as usize) else {
        return Err(EngineError::user(
            tried,
            "the topic has no such partition; was it made again with fewer?",
        ));
    };
    if marker.next > bounds.end {
        let reason = format!(
            "the log ends at offset {}: it was cut or made again; rebuild the namespace by `abovefold replay` into a new one",
            bounds.end
        );
        return Err(EngineError::user(tried, reason));
    }
    if marker.next < bounds.begin {
        let reason = format!(
            "the log now begins at offset {}: records were removed before they were folded; raise the topic's retention and rebuild into a new namespace",
            bounds.begin
        );
        return Err(EngineError::user(tried, reason));
    }
    let Some(last) = marker.last.filter(|last| last.offset >= bounds.begin) else { return Ok(()) };
    let run = log.read(topic, vec![Position { partition, offset: last.offset }]).await?.next().await?;
    match run.records.first() {
        Some(record) if record.offset == last.offset && record.hash() != last.hash => Err(EngineError::user(
            tried,
            format!(
                "offset {} holds another record than the one that was folded: the log was made again; rebuild the namespace by `abovefold replay` into a new one",
                last.offset
            ),
        )),
        _ => Ok(()),
    }
}

/// The records of a topic from given positions to the ends that it has now, then the end of the stream.
pub async fn read_to_end(
    log: &dyn Log,
    topic: &str,
    from: &[Offset],
) -> Result<impl Stream<Item = Result<RecordRun>> + Send + use<>> {
    let bounds = log.bounds(topic).await?;
    let from: Vec<Offset> = bounds
        .iter()
        .enumerate()
        .map(|(p, bounds)| from.get(p).copied().unwrap_or(bounds.begin).max(bounds.begin))
        .collect();
    let positions: Vec<Position> = (0..)
        .zip(&bounds)
        .zip(&from)
        .filter(|((_, bounds), from)| **from < bounds.end)
        .map(|((partition, _), from)| Position { partition, offset: *from })
        .collect();
    let open: BTreeSet<u32> = positions.iter().map(|position| position.partition).collect();
    let reader = if open.is_empty() { None } else { Some(log.read(topic, positions).await?) };
    let ends: Vec<Offset> = bounds.iter().map(|bounds| bounds.end).collect();
    Ok(futures::stream::try_unfold((reader, open, ends), |(reader, mut open, ends)| async move {
        let Some(mut reader) = reader else { return Ok(None) };
        while !open.is_empty() {
            let mut run = reader.next().await?;
            if !open.contains(&run.partition) {
                continue;
            }
            let end = ends[run.partition as usize];
            if run.next >= end {
                open.remove(&run.partition);
            }
            run.records.retain(|record| record.offset < end);
            run.next = run.next.min(end);
            return Ok(Some((run, (Some(reader), open, ends))));
        }
        Ok(None)
    }))
}
