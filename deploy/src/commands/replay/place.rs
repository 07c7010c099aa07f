//! A place in every partition of the log, as `--from` and `--until` name it.

use abovefold_engine::log::Bounds;
use abovefold_schemas::{Offset, Timestamp};
use anyhow::{Context, bail};

use crate::session::Session;

/// A place in every partition: `earliest`, `latest` (the end that the log has now), a time, or `PARTITION:OFFSET,...`.
///
/// # Errors
/// When the text is none of these, or names an offset that the log does not have.
pub async fn position(
    session: &Session,
    flag: &str,
    text: &str,
    bounds: &[Bounds],
) -> anyhow::Result<Vec<Offset>> {
    match text {
        "earliest" => return Ok(bounds.iter().map(|bounds| bounds.begin).collect()),
        "latest" => return Ok(bounds.iter().map(|bounds| bounds.end).collect()),
        _ => {}
    }
    if let Some(time) = Timestamp::parse(text) {
        return Ok(session.edges.log.offsets_at(&session.edges.topics.user_events, time).await?);
    }
    per_partition(flag, text, bounds)
}

fn per_partition(flag: &str, text: &str, bounds: &[Bounds]) -> anyhow::Result<Vec<Offset>> {
    let mut offsets: Vec<Option<Offset>> = vec![None; bounds.len()];
    for part in text.split(',') {
        let (partition, offset) = part
            .split_once(':')
            .and_then(|(partition, offset)| Some((partition.parse::<usize>().ok()?, offset.parse().ok()?)))
            .with_context(|| {
                format!("read {flag} {text:?}: give a time, earliest, latest, or PARTITION:OFFSET,...")
            })?;
        let (Some(place), Some(there)) = (offsets.get_mut(partition), bounds.get(partition)) else {
            bail!("read {flag} {text:?}: the log has the partitions 0 to {}", bounds.len() - 1);
        };
        let offset = Offset(offset);
        if offset < there.begin || offset > there.end {
            bail!(
                "read {flag} {text:?}: partition {partition} holds the offsets {} to {}; give one of these, or `earliest` or `latest`",
                there.begin,
                there.end
            );
        }
        *place = Some(offset);
    }
    let missing: Vec<String> =
        (0..).zip(&offsets).filter(|(_, o)| o.is_none()).map(|(p, _): (u32, _)| p.to_string()).collect();
    if !missing.is_empty() {
        bail!("read {flag} {text:?}: it lacks the partitions {}", missing.join(", "));
    }
    Ok(offsets.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_has_a_place_that_the_log_has() {
        let bounds =
            [Bounds { begin: Offset(5), end: Offset(9) }, Bounds { begin: Offset(0), end: Offset(2) }];
        assert_eq!(per_partition("--until", "1:2,0:5", &bounds).unwrap(), [Offset(5), Offset(2)]);
        for (text, reason) in [
            ("0:5", "lacks the partitions 1"),
            ("0:4,1:0", "partition 0 holds the offsets 5 to 9"),
            ("0:5,1:3", "partition 1 holds the offsets 0 to 2"),
            ("0:5,2:0", "the partitions 0 to 1"),
            ("tomorrow", "give a time"),
        ] {
            let error = per_partition("--until", text, &bounds).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("--until"), "{text}: {error}");
        }
    }
}
