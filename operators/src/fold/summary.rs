//! The fold of a partition as a whole: its watermark, its readers seen last, and which copies it has taken in.

use abovefold_schemas::{
    ReaderId, Timestamp,
    batch::EventRow,
    state::{ActiveReader, PartitionSummary},
};

/// The most readers in the list of those seen last.
pub const MAX_ACTIVE: usize = 100;

/// Whether a row is a copy that was taken in before; notes it otherwise.
///
/// The intake copies in order, so the highest origin of each source tells; what was put back from the dead letters comes in any order, so
/// each is remembered.
pub fn is_repeat(summary: &mut PartitionSummary, row: &EventRow<'_>) -> bool {
    let Some(origin) = &row.origin else { return false };
    if row.put_back {
        return match summary
            .put_back
            .binary_search_by_key(&(origin.partition, origin.offset), |o| (o.partition, o.offset))
        {
            Ok(_) => true,
            Err(place) => {
                summary.put_back.insert(place, *origin);
                false
            }
        };
    }
    match summary.origins.binary_search_by_key(&origin.partition, |known| known.partition) {
        Ok(place) if summary.origins[place].offset >= origin.offset => true,
        Ok(place) => {
            summary.origins[place].offset = origin.offset;
            false
        }
        Err(place) => {
            summary.origins.insert(place, *origin);
            false
        }
    }
}

/// Counts a read and puts its reader where it belongs in the list.
pub fn note_read(summary: &mut PartitionSummary, reader: &ReaderId, reads: u64, time: Timestamp) {
    summary.reads += 1;
    summary.watermark = summary.watermark.max(time.0);
    let mut entry = remove(summary, reader).unwrap_or_else(|| ActiveReader {
        user_id: reader.as_str().into(),
        reads: 0,
        last_seen: time.0,
    });
    let last_seen = entry.last_seen.max(time.0);
    (entry.reads, entry.last_seen) = (reads, last_seen);
    if summary.active.len() == MAX_ACTIVE
        && summary.active.last().is_some_and(|last| last.last_seen > last_seen)
    {
        return;
    }
    let place = summary
        .active
        .partition_point(|other| (other.last_seen, reader.as_str()) > (last_seen, other.user_id.as_str()));
    summary.active.insert(place, entry);
    summary.active.truncate(MAX_ACTIVE);
}

/// Takes a reader out of the list.
pub fn remove(summary: &mut PartitionSummary, reader: &ReaderId) -> Option<ActiveReader> {
    let place = summary.active.iter().position(|active| active.user_id == reader.as_str())?;
    Some(summary.active.remove(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_latest_first_and_bounded() {
        let mut summary = PartitionSummary::default();
        for number in 0..120_u64 {
            let reader = ReaderId::new(format!("r{number}")).unwrap();
            note_read(&mut summary, &reader, 1, Timestamp((number % 7) as i64));
        }
        assert_eq!(summary.active.len(), MAX_ACTIVE);
        assert!(summary.active.windows(2).all(|pair| pair[0].last_seen >= pair[1].last_seen));
        assert_eq!(summary.watermark, 6);
        let ann = ReaderId::new("r3").unwrap();
        note_read(&mut summary, &ann, 2, Timestamp(99));
        assert_eq!(summary.active[0].user_id, "r3");
        assert_eq!(summary.active.iter().filter(|active| active.user_id == "r3").count(), 1);
    }
}
