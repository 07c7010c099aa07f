//! What the reader was shown and did not read counts less.

use super::{Gathered, Rule, Shared, reweigh};

/// Each time that the reader was shown an article takes its share of the score; times fade as exposures do.
#[derive(Debug)]
pub(super) struct Fatigue;

impl Rule for Fatigue {
    const NAME: &'static str = "fatigue";

    fn apply(&self, shared: &Shared, gathered: &mut Gathered) {
        let left = gathered.known.asked.settings().composition.fatigue;
        let Some(exposures) = shared.exposures.as_ref().filter(|_| left < 1.0) else { return };
        let shown = exposures.to(&gathered.known.asked.request.reader, shared.runtime.now());
        if shown.is_empty() {
            return;
        }
        reweigh(&mut gathered.candidates, |candidate| {
            shown.get(&candidate.article.id).map_or(1.0, |times| left.powf(*times))
        });
    }
}
