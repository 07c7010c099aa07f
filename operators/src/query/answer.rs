//! The last step: the slate goes to whoever asked, and into the log as an impression.

use std::sync::Arc;

use abovefold_engine::{Emitter, Operator, Result};
use abovefold_schemas::{
    Kept,
    records::{Impression, Shown},
};

use super::{
    batch::{Asked, Batch, Composed},
    features::{Seen, columns_hash},
    impressions::Queue,
    metrics,
    request::Slate,
    shared::Shared,
};

/// Answers, and logs what was shown without waiting for the log.
#[derive(Debug)]
pub struct Answer {
    shared: Arc<Shared>,
    impressions: Option<Queue>,
}

impl Answer {
    pub(super) fn new(shared: Arc<Shared>, impressions: Option<Queue>) -> Self {
        Self { shared, impressions }
    }

    fn impression(&self, asked: &Asked, slate: &Slate, device: u8, seen: Option<&Seen>) -> Impression {
        let shown = slate.picks.iter().map(|pick| Shown {
            article_id: pick.article.id.0,
            score: pick.score,
            source: pick.source.name().into(),
            propensity: (pick.propensity < 1.0).then_some(pick.propensity),
        });
        let markers = match seen {
            Some(seen) => seen.markers.clone(),
            None => self.shared.trending.view().markers.clone(),
        };
        let logged = seen.filter(|_| asked.settings().log_features);
        Impression {
            impression_id: slate.impression_id.clone(),
            user_id: slate.reader.as_str().into(),
            time: self.shared.runtime.now().0,
            shown: shown.collect(),
            served_by: slate.served_by.name().into(),
            model: slate.model.clone().unwrap_or_default(),
            article_id: asked.request.page.map(|page| page.0),
            namespace: self.shared.namespace.clone(),
            partition: slate.state.partition,
            marker: slate.state.marker.map_or(0, |marker| marker.0),
            counts_markers: markers.into_iter().map(|marker| marker.0).collect(),
            learned_version: seen.map_or(0, |seen| seen.learned),
            device_type: u32::from(device),
            now: seen.map(|seen| seen.now.0),
            candidates: logged.map_or_else(Vec::new, |seen| seen.candidates.iter().map(|id| id.0).collect()),
            columns: logged.map_or_else(Vec::new, |seen| seen.columns.values.clone()),
            columns_hash: logged.map_or(0, |_| columns_hash()),
            arm: slate.arm.clone().unwrap_or_default(),
        }
    }
}

impl Operator for Answer {
    type In = Batch<Composed>;
    type Out = ();

    fn name(&self) -> &'static str {
        "answer"
    }

    fn rows(&self, batch: &Self::In) -> usize {
        batch.items.len()
    }

    async fn handle(&mut self, batch: Batch<Composed>, _out: &mut Emitter<()>) -> Result<()> {
        for Composed { asked, device, seen, outcome, .. } in batch.items {
            let served_by = outcome.as_ref().map_or("error", |slate| slate.served_by.name());
            ::metrics::counter!(metrics::REQUESTS, "served_by" => served_by).increment(1);
            if let Some(arm) = asked.arm.of_experiment() {
                let labels = [("arm", arm.to_owned()), ("served_by", served_by.to_owned())];
                ::metrics::counter!(metrics::ARM_REQUESTS, &labels).increment(1);
            }
            asked.watch.record(metrics::REQUEST_SECONDS);
            let impression = match (&self.impressions, &outcome) {
                (Some(_), Ok(slate)) if asked.request.shown && !slate.picks.is_empty() => {
                    Some(self.impression(&asked, slate, device, seen.as_deref()))
                }
                _ => None,
            };
            // Who went away saw nothing: no impression.
            if asked.reply.send(outcome).is_ok()
                && let (Some(queue), Some(impression)) = (&self.impressions, impression)
            {
                queue.push(asked.request.reader, impression.to_kept());
            }
        }
        Ok(())
    }
}
