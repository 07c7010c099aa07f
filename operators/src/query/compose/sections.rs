//! No section takes more than its share of a slate while there is anything else.

use std::collections::BTreeMap;

use super::{Gathered, Rule, Shared};
use crate::query::batch::Candidate;

/// Holds back what is beyond its section's share. What the reader chose has no such limit, nor have related stories, which are about one thing.
#[derive(Debug)]
pub(super) struct Sections;

impl Rule for Sections {
    const NAME: &'static str = "sections";

    fn apply(&self, _shared: &Shared, gathered: &mut Gathered) {
        let share = gathered.known.asked.settings().composition.section_share;
        let request = &gathered.known.asked.request;
        if share >= 1.0 || request.page.is_some() || !request.categories.is_empty() {
            return;
        }
        let k = request.k;
        let limit = (k as f32 * share).ceil() as usize;
        let mut taken = 0;
        let mut sections: BTreeMap<String, usize> = BTreeMap::new();
        let Gathered { known, candidates, fill, held_back, .. } = gathered;
        for list in [candidates, fill] {
            let mut kept: Vec<Candidate> = Vec::with_capacity(list.len());
            for candidate in list.drain(..) {
                let category = &candidate.article.version.category;
                if taken < k {
                    let in_section = sections.entry(category.clone()).or_default();
                    if *in_section >= limit && !known.chose(&candidate.article) {
                        held_back.push(candidate);
                        continue;
                    }
                    *in_section += 1;
                }
                taken += 1;
                kept.push(candidate);
            }
            *list = kept;
        }
    }
}
