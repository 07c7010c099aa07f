//! The reranker learns which of the articles shown were clicked: binary cross-entropy over each impression's list.
//!
//! The session embeddings are those that the session model, now fixed, had just before the impression, computed as inference does.

use std::collections::BTreeMap;
use std::time::Instant;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use tch::{Kind, Reduction, Tensor};

use super::adam::Adam;
use super::checkpoint::{Place, State};
use super::network::{Parameters, dropout};
use super::prepare::Data;
use super::windows::step_through;
use super::{Run, TrainError, TrainingImpression, TrainingOptions, rate_at, smoothed};
use crate::WIDTH;
use crate::evaluate::{RankedList, evaluate};
use crate::seed::{mix, shuffle};
use crate::vectors::Wanted;
use crate::weights::{RERANKER, SESSION, Weights, numbers};

/// Articles of an impression that are learned from, at most.
const MOST_IN_VIEW: usize = 60;
/// The last impressions, one in so many, are held out.
const HELD_OUT: usize = 10;
const MOST_HELD_OUT: usize = 2000;
const ABSENT: f32 = -1e9;
const GRADIENT_NORM: f64 = 1.0;
/// Batches between two points of the curve, and between two looks at whether a checkpoint is due.
const NOTED_EVERY: usize = 20;
/// The network's name in checkpoints and curves.
pub(super) const NAME: &str = "reranker";

pub(super) fn train(
    data: &Data<'_>,
    options: &TrainingOptions,
    weights: &mut Weights,
    training: &mut Run<'_>,
    resumed: Option<State>,
) -> Result<Vec<(String, f64)>, TrainError> {
    let sessions = sessions(data, options, weights, training)?;
    // Without time left there is nothing to learn from: not every reader has been stepped through.
    let Some(sessions) = sessions else { return Ok(Vec::new()) };
    let held_out = (data.impressions.len() / HELD_OUT).min(MOST_HELD_OUT);
    let (learn, test) = data.impressions.split_at(data.impressions.len() - held_out);
    let lists = Lists { data, sessions: &sessions, before: learn.len() };

    let device = training.device;
    let begin = resumed.as_ref().map_or(&*weights, |state| &state.now);
    let parameters = Parameters::new(begin, RERANKER, device, options.half_precision(device));
    let mut adam = Adam::new(&parameters);
    let size = options.rerank_batch.max(1);
    let mut at = match resumed {
        Some(state) => {
            adam.restore(&state.moments, state.place.adam_step, device);
            *weights = state.best;
            state.place
        }
        None => {
            let untrained = lists.evaluate(&parameters, test, size)?;
            start_at_click_rate(&parameters, learn);
            Place {
                network: NAME.to_owned(),
                epoch: 1,
                best: untrained.auc.to_bits(),
                before: [("rerank_auc_untrained", untrained.auc), ("rerank_auc", untrained.auc)]
                    .map(|(name, value)| (name.to_owned(), value))
                    .to_vec(),
                curve: training.curve.clone(),
                earlier: training.earlier.clone(),
                ..Place::default()
            }
        }
    };
    training.curve.clone_from(&at.curve);
    let steps = options.rerank_epochs * learn.len().div_ceil(size);
    let (mut loss, began, spent) = (at.loss, Instant::now(), at.seconds);
    let mut pace = None;
    while at.epoch <= options.rerank_epochs {
        let seed = mix(options.seed ^ 0x7265_7261 ^ mix(at.epoch as u64));
        let mut order: Vec<usize> = (0..learn.len()).collect();
        shuffle(&mut ChaCha8Rng::seed_from_u64(seed), &mut order);
        let batches: Vec<&[usize]> = order.chunks(size).collect();
        while at.done < batches.len() && !training.late() {
            let chosen = batches[at.done];
            let mut random = ChaCha8Rng::seed_from_u64(mix(seed ^ (at.done as u64 + 1)));
            let batch = lists.batch(&parameters, chosen, learn, 0)?;
            let scores = batch.scores(&parameters, |units| dropout(units, options.dropout, &mut random));
            let weight = Some(&batch.present);
            let cost = scores.binary_cross_entropy_with_logits(
                &batch.clicked,
                weight,
                None::<&Tensor>,
                Reduction::Sum,
            ) / batch.present.sum(Kind::Float);
            cost.backward();
            let rate = rate_at(at.step, steps, options.rerank_learning_rate, options.falling_rate);
            adam.step(&parameters, &parameters.take_gradients(), rate, GRADIENT_NORM);
            loss = Some(smoothed(loss, cost.double_value(&[])));
            at.seen += chosen.len();
            at.step += 1;
            at.done += 1;
            at.loss = loss;
            at.seconds = spent + began.elapsed().as_secs_f64();
            let now = at.seen as f64 / at.seconds.max(1e-9);
            pace = Some(now);
            training.tell(NAME, at.epoch, at.step as f64 / steps.max(1) as f64, loss.unwrap_or(0.0), now);
            if at.done.is_multiple_of(NOTED_EVERY) {
                let epoch = (at.epoch - 1) as f64 + at.done as f64 / batches.len() as f64;
                training.note(NAME, epoch, at.step, loss, pace, None);
                if training.checkpoint_due() {
                    let (moments, adam_step) = adam.state();
                    at.adam_step = adam_step;
                    at.curve.clone_from(&training.curve);
                    let mut now = Weights::default();
                    parameters.save_to(&mut now);
                    let best = weights.clone();
                    training.checkpoint(&State {
                        place: at.clone(),
                        best,
                        now,
                        moments,
                        ..State::default()
                    })?;
                }
            }
        }
        let row = lists.evaluate(&parameters, test, size)?;
        if row.auc > f64::from_bits(at.best) || test.is_empty() {
            (at.best, at.stale) = (row.auc.to_bits(), 0);
            at.before.retain(|(name, _)| name == "rerank_auc_untrained");
            let found = [("rerank_auc", row.auc), ("rerank_mrr", row.mrr), ("rerank_ndcg@10", row.ndcg_10)];
            at.before.extend(found.map(|(name, value)| (name.to_owned(), value)));
            parameters.save_to(weights);
        } else {
            at.stale += 1;
        }
        training.note(NAME, at.epoch as f64, at.step, loss, pace, Some(row.auc));
        tracing::info!(epoch = at.epoch, auc = row.auc, mrr = row.mrr, before = ?at.before, loss, "reranker trained");
        (at.epoch, at.done) = (at.epoch + 1, 0);
        if training.late() || at.stale >= options.patience {
            break;
        }
    }
    let mut learned = at.before;
    learned.push(("rerank_loss".to_owned(), loss.unwrap_or(0.0)));
    learned.push(("rerank_epochs".to_owned(), (at.epoch - 1) as f64));
    Ok(learned)
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
    data: &Data<'_>,
    options: &TrainingOptions,
    weights: &Weights,
    training: &mut Run<'_>,
) -> Result<Option<Vec<f32>>, TrainError> {
    let mut asked: BTreeMap<u32, Vec<(usize, usize)>> = BTreeMap::new();
    for (index, impression) in data.impressions.iter().enumerate() {
        let known = data.reads(impression.reader).partition_point(|read| read.time < impression.time);
        if known > 0 {
            asked.entry(impression.reader).or_default().push((known, index));
        }
    }
    let needed = |known: &Vec<(usize, usize)>| known.iter().map(|(known, _)| *known).max().unwrap_or(0);
    let readers: Vec<(u32, usize)> = asked.iter().map(|(reader, known)| (*reader, needed(known))).collect();
    let device = training.device;
    let parameters = Parameters::new(weights, SESSION, device, options.half_precision(device));
    let mut sessions = vec![0.0f32; data.impressions.len() * WIDTH];
    let stop = |_| {
        training.tell("session embeddings", 1, 0.0, 0.0, 0.0);
        training.late()
    };
    let whole = step_through(data, &parameters, readers.into_iter(), stop, |reader, reads, embedding| {
        for (_, index) in asked[&reader].iter().filter(|(known, _)| *known == reads) {
            sessions[index * WIDTH..][..WIDTH].copy_from_slice(embedding);
        }
        Ok(())
    })?;
    Ok(whole.then_some(sessions))
}

/// Impressions as tensors.
struct Lists<'a> {
    data: &'a Data<'a>,
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
    fn scores(&self, parameters: &Parameters, mask: impl FnOnce(&Tensor) -> Option<Tensor>) -> Tensor {
        let rows = [&self.rows[0], &self.rows[1], &self.rows[2]];
        parameters.rerank(rows, &self.flags, &self.sessions, &self.candidates, &self.absent, mask)
    }
}

impl Lists<'_> {
    /// The chosen of `impressions`, whose first is impression `offset` of all.
    fn batch(
        &self,
        parameters: &Parameters,
        chosen: &[usize],
        impressions: &[TrainingImpression],
        offset: usize,
    ) -> Result<Batch, TrainError> {
        let shown = |index: usize| impressions[index].in_view.len().min(MOST_IN_VIEW);
        let count = chosen.iter().map(|index| shown(*index)).max().unwrap_or(1);
        let mut rows: [Vec<i64>; 3] = Default::default();
        let (mut flags, mut sessions) = (Vec::new(), Vec::new());
        let mut wanted = Vec::with_capacity(chosen.len() * count);
        let mut absent = vec![ABSENT; chosen.len() * count];
        let mut clicked = vec![0.0f32; absent.len()];
        let mut places = Vec::with_capacity(absent.len());
        for (place, &index) in chosen.iter().enumerate() {
            let impression = &impressions[index];
            let profile = impression.profile;
            rows.iter_mut().zip(profile.rows()).for_each(|(column, row)| column.push(row as i64));
            flags.extend([f32::from(u8::from(profile.sso)), f32::from(u8::from(profile.subscriber))]);
            sessions.extend_from_slice(&self.sessions[(offset + index) * WIDTH..][..WIDTH]);
            for (column, article) in impression.in_view.iter().take(MOST_IN_VIEW).enumerate() {
                let at = place * count + column;
                wanted.push(Wanted { article: *article, as_of: impression.time });
                places.push(at);
                absent[at] = 0.0;
                clicked[at] = f32::from(u8::from(impression.clicked.contains(article)));
            }
        }
        let mut candidates = vec![0.0f32; absent.len() * WIDTH];
        for (place, vector) in places.iter().zip(self.data.vectors(&wanted)?.chunks_exact(WIDTH)) {
            candidates[place * WIDTH..][..WIDTH].copy_from_slice(vector);
        }
        let (lists, count) = (chosen.len() as i64, count as i64);
        let device = parameters.device();
        let there = |numbers: &[f32]| Tensor::from_slice(numbers).to_device(device);
        let present: Vec<f32> = absent.iter().map(|absent| if *absent < 0.0 { 0.0 } else { 1.0 }).collect();
        Ok(Batch {
            rows: rows.map(|column| Tensor::from_slice(&column).to_device(device)),
            flags: there(&flags).view([lists, 2]),
            sessions: there(&sessions).view([lists, WIDTH as i64]),
            candidates: there(&candidates).view([lists, count, WIDTH as i64]),
            absent: there(&absent).view([lists, 1, count]),
            present: there(&present).view([lists, count]),
            clicked: there(&clicked).view([lists, count]),
        })
    }

    fn evaluate(
        &self,
        parameters: &Parameters,
        test: &[TrainingImpression],
        size: usize,
    ) -> Result<crate::MetricsRow, TrainError> {
        let mut ranked = Vec::with_capacity(test.len());
        let all: Vec<usize> = (0..test.len()).collect();
        for chosen in all.chunks(size.max(1)) {
            let batch = self.batch(parameters, chosen, test, self.before)?;
            let scores = tch::no_grad(|| batch.scores(parameters, |_| None));
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
        Ok(evaluate("held out", &ranked, 0, 0))
    }
}
