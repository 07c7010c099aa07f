//! The reranker learns which of the articles shown were clicked: binary cross-entropy over each impression's list.
//!
//! The session embeddings are those that the session model, now fixed, had just before the impression, computed as inference does.

use std::time::Instant;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use tch::nn::{Adam, OptimizerConfig};
use tch::{Kind, Reduction, Tensor};

use super::network::{Parameters, dropout};
use super::prepare::Data;
use super::stepping::step_through;
use super::{Meter, TrainingImpression, TrainingOptions, rate_at, smoothed};
use crate::WIDTH;
use crate::evaluate::{RankedList, evaluate};
use crate::seed::shuffle;
use crate::weights::{RERANKER, Weights, numbers};

/// Articles of an impression that are learned from, at most.
const MOST_IN_VIEW: usize = 60;
/// The last impressions, one in so many, are held out.
const HELD_OUT: usize = 10;
const MOST_HELD_OUT: usize = 2000;
const ABSENT: f32 = -1e9;
const GRADIENT_NORM: f64 = 1.0;

pub(super) fn train(
    data: &Data,
    options: &TrainingOptions,
    weights: &mut Weights,
    meter: &mut Meter<'_>,
) -> Vec<(String, f64)> {
    let sessions = sessions(data, options, weights, meter);
    // Without time left there is nothing to learn from: not every reader has been stepped through.
    let Some(sessions) = sessions else { return Vec::new() };
    let held_out = (data.impressions.len() / HELD_OUT).min(MOST_HELD_OUT);
    let (learn, test) = data.impressions.split_at(data.impressions.len() - held_out);
    let lists = Lists { data, sessions: &sessions, before: learn.len() };

    let parameters = Parameters::new(weights, RERANKER, options.half_precision());
    let untrained = lists.evaluate(&parameters, test, options.batch);
    start_at_click_rate(&parameters, learn);
    let mut adam = Adam::default()
        .build(&parameters.store, options.rerank_learning_rate)
        .expect("Adam takes every store of float variables");
    let mut random = ChaCha8Rng::seed_from_u64(options.seed ^ 0x7265_7261);
    let mut order: Vec<usize> = (0..learn.len()).collect();
    let steps = options.rerank_epochs * learn.len().div_ceil(options.batch.max(1));
    let (mut step, mut loss, mut seen, began) = (0, None, 0usize, Instant::now());
    let (mut best, mut stale, mut found) = (untrained.auc, 0, untrained.clone());

    for epoch in 1..=options.rerank_epochs {
        shuffle(&mut random, &mut order);
        for chosen in order.chunks(options.batch.max(1)) {
            if meter.late() {
                break;
            }
            adam.set_lr(rate_at(step, steps, options.rerank_learning_rate));
            let batch = lists.batch(chosen, learn, 0);
            let drop = |units: &Tensor| dropout(units, options.dropout, &mut random);
            let scores = batch.scores(&parameters, drop);
            let weight = Some(&batch.present);
            let cost = scores.binary_cross_entropy_with_logits(
                &batch.clicked,
                weight,
                None::<&Tensor>,
                Reduction::Sum,
            ) / batch.present.sum(Kind::Float);
            adam.backward_step_clip_norm(&cost, GRADIENT_NORM);
            loss = Some(smoothed(loss, cost.double_value(&[])));
            seen += chosen.len();
            step += 1;
            let rate = seen as f64 / began.elapsed().as_secs_f64();
            meter.tell("reranker", epoch, step as f64 / steps.max(1) as f64, loss.unwrap_or(0.0), rate);
        }
        let row = lists.evaluate(&parameters, test, options.batch);
        if row.auc > best || test.is_empty() {
            (best, stale) = (row.auc, 0);
            found = row.clone();
            parameters.save_to(weights);
        } else {
            stale += 1;
        }
        tracing::info!(
            epoch,
            auc = row.auc,
            mrr = row.mrr,
            untrained = untrained.auc,
            loss,
            "reranker trained"
        );
        if meter.late() || stale >= options.patience {
            break;
        }
    }
    [
        ("rerank_auc", found.auc),
        ("rerank_mrr", found.mrr),
        ("rerank_ndcg@10", found.ndcg_10),
        ("rerank_auc_untrained", untrained.auc),
        ("rerank_loss", loss.unwrap_or(0.0)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// The last bias becomes the log odds of a click, so that training need not find it.
fn start_at_click_rate(parameters: &Parameters, learn: &[TrainingImpression]) {
    let shown: usize = learn.iter().map(|impression| impression.in_view.len()).sum();
    let clicked: usize = learn.iter().map(|impression| impression.clicked.len()).sum();
    let rate = ((clicked as f64 + 1.0) / (shown as f64 + 2.0)).clamp(1e-4, 0.5);
    tch::no_grad(|| {
        let mut bias = parameters.get("score.2.bias").shallow_clone();
        let _ = bias.fill_((rate / (1.0 - rate)).ln());
    });
}

/// The session embedding of each impression's reader just before it, flat; `None` when the time ran out.
fn sessions(
    data: &Data,
    options: &TrainingOptions,
    weights: &Weights,
    meter: &mut Meter<'_>,
) -> Option<Vec<f32>> {
    let mut asked: Vec<Vec<(usize, usize)>> = vec![Vec::new(); data.readers.len()];
    for (index, impression) in data.impressions.iter().enumerate() {
        let reader = impression.reader as usize;
        let known = data.readers[reader].partition_point(|step| step.time < impression.time.0);
        asked[reader].push((known, index));
    }
    let needed = |known: &Vec<(usize, usize)>| known.iter().map(|(known, _)| *known).max().unwrap_or(0);
    let readers = asked.iter().map(needed).enumerate().filter(|(_, reads)| *reads > 0).collect();
    let mut sessions = vec![0.0f32; data.impressions.len() * WIDTH];
    let stop = |_| {
        meter.tell("session embeddings", 1, 0.0, 0.0, 0.0);
        meter.late()
    };
    let whole =
        step_through(data, weights, options.half_precision(), readers, stop, |reader, reads, embedding| {
            for (_, index) in asked[reader].iter().filter(|(known, _)| *known == reads) {
                sessions[index * WIDTH..][..WIDTH].copy_from_slice(embedding);
            }
        });
    whole.then_some(sessions)
}

/// Impressions as tensors.
struct Lists<'a> {
    data: &'a Data,
    sessions: &'a [f32],
    /// Impressions before those held out.
    before: usize,
}

struct Batch {
    rows: [Tensor; 3],
    flags: Tensor,
    sessions: Tensor,
    candidates: Tensor,
    absent: Tensor,
    present: Tensor,
    clicked: Tensor,
}

impl Batch {
    fn scores(&self, parameters: &Parameters, dropped: impl FnOnce(&Tensor) -> Tensor) -> Tensor {
        let rows = [&self.rows[0], &self.rows[1], &self.rows[2]];
        parameters.rerank(rows, &self.flags, &self.sessions, &self.candidates, &self.absent, dropped)
    }
}

impl Lists<'_> {
    /// The chosen of `impressions`, whose first is impression `offset` of all.
    fn batch(&self, chosen: &[usize], impressions: &[TrainingImpression], offset: usize) -> Batch {
        let shown = |index: usize| impressions[index].in_view.len().min(MOST_IN_VIEW);
        let count = chosen.iter().map(|index| shown(*index)).max().unwrap_or(1);
        let mut rows: [Vec<i64>; 3] = Default::default();
        let (mut flags, mut sessions) = (Vec::new(), Vec::new());
        let mut articles = vec![0i64; chosen.len() * count];
        let (mut absent, mut clicked) = (vec![ABSENT; articles.len()], vec![0.0f32; articles.len()]);
        for (place, &index) in chosen.iter().enumerate() {
            let impression = &impressions[index];
            let profile = impression.profile;
            rows.iter_mut().zip(profile.rows()).for_each(|(column, row)| column.push(row as i64));
            flags.extend([f32::from(u8::from(profile.sso)), f32::from(u8::from(profile.subscriber))]);
            sessions.extend_from_slice(&self.sessions[(offset + index) * WIDTH..][..WIDTH]);
            for (column, article) in impression.in_view.iter().take(MOST_IN_VIEW).enumerate() {
                let at = place * count + column;
                articles[at] = i64::from(*article);
                absent[at] = 0.0;
                clicked[at] = f32::from(u8::from(impression.clicked.contains(article)));
            }
        }
        let (lists, count) = (chosen.len() as i64, count as i64);
        let present: Vec<f32> = absent.iter().map(|absent| if *absent < 0.0 { 0.0 } else { 1.0 }).collect();
        Batch {
            rows: rows.map(|column| Tensor::from_slice(&column)),
            flags: Tensor::from_slice(&flags).view([lists, 2]),
            sessions: Tensor::from_slice(&sessions).view([lists, WIDTH as i64]),
            candidates: self.data.vectors.index_select(0, &Tensor::from_slice(&articles)).view([
                lists,
                count,
                WIDTH as i64,
            ]),
            absent: Tensor::from_slice(&absent).view([lists, 1, count]),
            present: Tensor::from_slice(&present).view([lists, count]),
            clicked: Tensor::from_slice(&clicked).view([lists, count]),
        }
    }

    fn evaluate(
        &self,
        parameters: &Parameters,
        test: &[TrainingImpression],
        size: usize,
    ) -> crate::MetricsRow {
        let mut ranked = Vec::with_capacity(test.len());
        let all: Vec<usize> = (0..test.len()).collect();
        for chosen in all.chunks(size.max(1)) {
            let batch = self.batch(chosen, test, self.before);
            let scores = tch::no_grad(|| batch.scores(parameters, Tensor::shallow_clone));
            let count = batch.present.size()[1] as usize;
            let (scores, clicked) = (numbers(&scores), numbers(&batch.clicked));
            for (place, index) in chosen.iter().enumerate() {
                let shown = test[*index].in_view.len().min(MOST_IN_VIEW);
                ranked.push(RankedList {
                    scores: scores[place * count..][..shown].iter().map(|score| f64::from(*score)).collect(),
                    clicked: clicked[place * count..][..shown].iter().map(|clicked| *clicked > 0.5).collect(),
                });
            }
        }
        evaluate("held out", &ranked, 0, 0)
    }
}
