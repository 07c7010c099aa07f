//! The fifth step: a slate from ordered candidates.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use abovefold_engine::{Emitter, Operator, Result};

use super::{
    batch::{Batch, Candidate, Composed, Gathered, Known},
    features::device_of,
    metrics::Stopwatch,
    request::{Explanation, Pick, QueryError, Slate},
    rerank::Ranked,
    shared::Shared,
};

/// Takes the best `k`: none read, excluded or twice, and no section more than its share while there is anything else.
#[derive(Debug)]
pub struct Compose {
    shared: Arc<Shared>,
}

impl Compose {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    fn compose(&self, Ranked(gathered): Ranked) -> Composed {
        let Gathered { known, candidates, fill, served_by, model, trouble, seen: columns } = gathered;
        let section_share = known.asked.settings().section_share;
        let picks = picks(&known, candidates, fill, section_share);
        let device = device_of(&known);
        let Known { asked, seen, .. } = known;
        let outcome = match (picks.is_empty(), trouble) {
            (true, Some(trouble)) => Err(QueryError::Nothing(trouble)),
            _ => Ok(Slate {
                reader: asked.request.reader.clone(),
                picks,
                impression_id: self.shared.runtime.token(),
                served_by,
                arm: asked.arm.of_experiment().map(str::to_owned),
                fresh: asked.fresh,
                model,
                state: seen,
            }),
        };
        Composed { asked, device, seen: columns, outcome }
    }
}

/// The best of the candidates, then of what fills up, with scores that never rise.
fn picks(known: &Known, candidates: Vec<Candidate>, fill: Vec<Candidate>, section_share: f32) -> Vec<Pick> {
    let request = &known.asked.request;
    // Related stories are about one thing, and so is what a reader chose.
    let limit = match request.page {
        Some(_) => request.k,
        None => (request.k as f32 * section_share).ceil() as usize,
    };
    let mut sections: BTreeMap<&str, usize> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let (mut taken, mut left_over) = (Vec::new(), Vec::new());
    let ordered: Vec<(usize, &Candidate)> = candidates.iter().chain(&fill).enumerate().collect();
    for (place, candidate) in ordered {
        if taken.len() == request.k {
            break;
        }
        let article = &candidate.article;
        if article.version.withdrawn || known.bars(article.id) || !seen.insert(article.id) {
            continue;
        }
        let in_section = sections.entry(&article.version.category).or_default();
        if *in_section >= limit && !known.chose(article) {
            left_over.push((place, candidate));
            continue;
        }
        *in_section += 1;
        taken.push((place, candidate));
    }
    let missing = request.k - taken.len();
    taken.extend(left_over.into_iter().take(missing));
    taken.sort_by_key(|(place, _)| *place);
    let mut last = 1.0_f32;
    let pick = |(place, candidate): (usize, &Candidate)| {
        let score = if candidate.score.is_finite() { candidate.score.clamp(0.0, 1.0) } else { 0.0 };
        // What fills up is scored by another measure, as a share of the last of the reader's own.
        last =
            if place >= candidates.len() && !candidates.is_empty() { last * score } else { last.min(score) };
        let Candidate { cosine, logit, trend, .. } = *candidate;
        let reasons = || candidate.reasons.clone();
        let explanation = request.explain.then(|| Explanation { cosine, logit, trend, reasons: reasons() });
        Pick { article: candidate.article.clone(), score: last, source: candidate.source, explanation }
    };
    taken.into_iter().map(pick).collect()
}

impl Operator for Compose {
    type In = Batch<Ranked>;
    type Out = Batch<Composed>;

    fn name(&self) -> &'static str {
        "compose"
    }

    async fn handle(&mut self, batch: Batch<Ranked>, out: &mut Emitter<Batch<Composed>>) -> Result<()> {
        let watch = Stopwatch::start();
        let composed = batch.map(|ranked| self.compose(ranked));
        watch.record_stage(self.name());
        out.emit(composed).await
    }
}
