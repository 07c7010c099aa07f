//! Where no reads speak for a reader, what it chose comes first.

use super::{Gathered, Rule, Shared};
use crate::query::{fill::fall, request::ServedBy};

/// Brings what the reader chose to the front of a slate that its reads have no part in.
#[derive(Debug)]
pub(super) struct Choice;

impl Rule for Choice {
    const NAME: &'static str = "choice";

    fn apply(&self, _shared: &Shared, gathered: &mut Gathered) {
        let by_no_reads =
            matches!(gathered.served_by, ServedBy::Preferences | ServedBy::Trending | ServedBy::Newest);
        let Gathered { known, candidates, .. } = gathered;
        if !known.asked.settings().composition.chosen_first || !by_no_reads || known.state.topics.is_empty() {
            return;
        }
        candidates.sort_by_key(|candidate| !known.chose(&candidate.article));
        fall(candidates);
    }
}
