//! The session model learns to point at the article that a reader reads next.
//!
//! Cross-entropy over the articles that other readers of the batch read next and some random ones. Scores are cosines times a constant,
//! since the nearest articles are found by cosine. What the reader has just read is no negative: it is never shown again. A candidate's vector is
//! the one that was known when the first of the batch's readers opened it, so that nobody's own read of it is in it.

use std::collections::HashMap;
use std::time::Instant;

use abovefold_schemas::Timestamp;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use tch::{Kind, Reduction, Tensor};

use super::adam::Adam;
use super::checkpoint::{Place, State};
use super::held_out::HeldOut;
use super::network::{Parameters, dropout};
use super::prepare::Data;
use super::windows::{Carried, Chunk, HiddenStates, Run, batches, chunks, earliest, windows};
use super::{Run as Training, TrainError, TrainingOptions, rate_at, smoothed};
use crate::WIDTH;
use crate::seed::{below, mix};
use crate::vectors::Wanted;
use crate::weights::{SESSION, Shape, Weights};

/// Latest reads of a reader that are no negatives.
const JUST_READ: u32 = 20;
/// Added to the score of what is no negative.
const EXCLUDED: f32 = -1e4;
const GRADIENT_NORM: f64 = 1.0;
/// The logarithm of what cosines are multiplied with, by [`SHARPNESS_PACE`]. It is learned, and is no part of the model.
const SHARPNESS: &str = "loss.sharpness";
/// Adam moves every number at the same pace; this one has a longer way to go in few steps.
const SHARPNESS_PACE: f64 = 20.0;
/// The network's name in checkpoints and curves.
pub(super) const NAME: &str = "session";

pub(super) fn train(
    data: &Data<'_>,
    options: &TrainingOptions,
    weights: &mut Weights,
    training: &mut Training<'_>,
    resumed: Option<State>,
) -> Result<Vec<(String, f64)>, TrainError> {
    let device = training.device;
    let mut begin = resumed.as_ref().map_or(&*weights, |state| &state.now).clone();
    if begin.get(SHARPNESS).is_none() {
        begin.insert(SHARPNESS, &[1], vec![(options.sharpness.ln() / SHARPNESS_PACE) as f32]);
    }
    let shapes: Vec<Shape> = SESSION.iter().copied().chain([(SHARPNESS, &[1usize][..])]).collect();
    let parameters = Parameters::new(&begin, &shapes, device, options.half_precision(device));
    let mut adam = Adam::new(&parameters);
    let held_out = HeldOut::new(data, options);
    let readers = data.learn.iter().map(|reader| (*reader, data.reads(*reader).len() - 1));
    let windows = windows(data, readers, options.window_reads);
    let batches_in = |window: &Vec<Run>| window.len().div_ceil(options.batch.max(1));
    let steps_of_a_pass = windows.iter().map(batches_in).sum::<usize>();
    let passes = options.passes(steps_of_a_pass);
    let steps = passes * steps_of_a_pass;
    let mut hidden = HiddenStates::default();
    let mut at = match resumed {
        Some(state) => {
            adam.restore(&state.moments, state.place.adam_step, device);
            *weights = state.best;
            hidden = state.hidden;
            state.place
        }
        None => {
            let (means, untrained) = (held_out.of_means()?, held_out.of(&parameters)?);
            let before = [
                ("next_read_mrr_mean_of_vectors", means.mrr),
                ("next_read_hr@10_mean_of_vectors", means.hit_rate_10),
                ("next_read_mrr_untrained", untrained.mrr),
                ("next_reads_held_out", untrained.reads as f64),
            ];
            Place {
                network: NAME.to_owned(),
                epoch: 1,
                best: untrained.mrr.to_bits(),
                before: before.map(|(name, value)| (name.to_owned(), value)).to_vec(),
                ..Place::default()
            }
        }
    };
    training.curve.clone_from(&at.curve);
    let (mut loss, began, spent) = (at.loss, Instant::now(), at.seconds);
    let mut told = None;
    while at.epoch <= passes {
        while at.done < windows.len() && !training.late() {
            let window = &windows[at.done];
            let seed = mix(options.seed ^ mix(((at.epoch as u64) << 32) | at.done as u64));
            for (place, batch) in batches(window, options.batch, seed).iter().enumerate() {
                if training.late() {
                    break;
                }
                let rate = rate_at(at.step, steps, options.rate_for(steps), options.falling_rate);
                let mut random = ChaCha8Rng::seed_from_u64(mix(seed ^ (place as u64 + 1)));
                let mut learner =
                    Learner { data, options, parameters: &parameters, adam: &mut adam, random: &mut random };
                let (cost, reads) = learner.batch(batch, &mut hidden, rate)?;
                if let Some(cost) = cost {
                    loss = Some(smoothed(loss, cost));
                }
                at.seen += reads;
                at.step += 1;
                let pace = at.seen as f64 / (spent + began.elapsed().as_secs_f64()).max(1e-9);
                training.tell(
                    "session model",
                    at.epoch,
                    at.step as f64 / steps.max(1) as f64,
                    loss.unwrap_or(0.0),
                    pace,
                );
                told = Some(pace);
            }
            at.done += 1;
            at.loss = loss;
            at.seconds = spent + began.elapsed().as_secs_f64();
            let epoch = (at.epoch - 1) as f64 + at.done as f64 / windows.len() as f64;
            training.note(NAME, epoch, at.step, loss, told, None);
            if training.checkpoint_due() {
                let (moments, adam_step) = adam.state();
                at.adam_step = adam_step;
                at.curve.clone_from(&training.curve);
                let mut now = Weights::default();
                parameters.save_to(&mut now);
                let state =
                    State { place: at.clone(), best: weights.clone(), now, moments, hidden: hidden.clone() };
                training.checkpoint(&state)?;
            }
        }
        let ranked = held_out.of(&parameters)?;
        if ranked.mrr > f64::from_bits(at.best) || held_out.is_empty() {
            (at.best, at.stale) = (ranked.mrr.to_bits(), 0);
            let mut now = Weights::default();
            parameters.save_to(&mut now);
            weights.take_part(SESSION, &now);
        } else {
            at.stale += 1;
        }
        training.note(NAME, at.epoch as f64, at.step, loss, told, Some(ranked.mrr));
        let facts = data.source.facts();
        tracing::info!(
            epoch = at.epoch,
            mrr = ranked.mrr,
            hr_10 = ranked.hit_rate_10,
            before = ?at.before,
            loss,
            vector_hit_rate = facts.hit_rate(),
            vector_bytes_fetched = facts.fetched_bytes,
            vector_bytes_held = facts.held_bytes,
            "session model trained"
        );
        (at.epoch, at.done) = (at.epoch + 1, 0);
        hidden = HiddenStates::default();
        if training.late() || at.stale >= options.patience {
            break;
        }
    }
    let learned = [
        ("next_read_mrr", f64::from_bits(at.best)),
        ("session_loss", loss.unwrap_or(0.0)),
        ("session_epochs", (at.epoch - 1) as f64),
        ("session_sharpness", (parameters.get(SHARPNESS).double_value(&[0]) * SHARPNESS_PACE).exp()),
    ];
    let mut learned = learned.map(|(name, value)| (name.to_owned(), value)).to_vec();
    learned.extend(at.before);
    Ok(learned)
}

/// What a batch is learned with.
struct Learner<'a> {
    data: &'a Data<'a>,
    options: &'a TrainingOptions,
    parameters: &'a Parameters,
    adam: &'a mut Adam,
    random: &'a mut ChaCha8Rng,
}

impl Learner<'_> {
    /// Learns from a batch, chunk by chunk; gives the mean loss of its chunks, and how many reads there were.
    fn batch(
        &mut self,
        batch: &[Run],
        hidden: &mut HiddenStates,
        rate: f64,
    ) -> Result<(Option<f64>, usize), TrainError> {
        let mut carried = Carried::begin(hidden, batch, self.parameters.device());
        let (mut sum, mut count, mut reads) = (0.0, 0, 0);
        for chunk in chunks(self.data, batch, self.options.back_steps) {
            let share = self.options.dropout;
            let random = &mut *self.random;
            let through = chunk.through(
                self.data,
                self.parameters,
                carried.entering(&chunk),
                |units| dropout(units, share, random),
                true,
            )?;
            reads += chunk.rows.len();
            let top = through.top().detach().set_requires_grad(true);
            let Some(cost) = self.loss(&top, &chunk)? else { continue };
            cost.backward();
            let gradients = through.back(self.parameters, &top.grad());
            self.adam.step(self.parameters, &gradients, rate, GRADIENT_NORM);
            sum += cost.double_value(&[]);
            count += 1;
        }
        carried.end(hidden, batch);
        Ok(((count > 0).then(|| sum / f64::from(count)), reads))
    }

    /// The loss of a chunk; `None` where no read's next article has a vector.
    fn loss(&mut self, top: &Tensor, chunk: &Chunk) -> Result<Option<Tensor>, TrainError> {
        let mut columns: Vec<Wanted> = Vec::new();
        let mut column_of: HashMap<u32, usize> = HashMap::new();
        let mut targets: Vec<usize> = Vec::with_capacity(chunk.rows.len());
        for (reader, read) in &chunk.rows {
            let next = *read as usize + 1;
            let article = self.data.reads(*reader)[next].article;
            let as_of = self.data.opened(*reader, next);
            let column = *column_of.entry(article).or_insert_with(|| {
                columns.push(Wanted { article, as_of });
                columns.len() - 1
            });
            columns[column].as_of = columns[column].as_of.min(as_of);
            targets.push(column);
        }
        let first: Timestamp = earliest(chunk);
        for _ in 0..self.options.random_negatives {
            let article = below(self.random, self.data.set.articles.len()) as u32;
            column_of.entry(article).or_insert_with(|| {
                columns.push(Wanted { article, as_of: first });
                columns.len() - 1
            });
        }
        let vectors = self.data.vectors(&columns)?;
        let present: Vec<bool> =
            vectors.chunks_exact(WIDTH).map(|vector| vector.iter().any(|number| *number != 0.0)).collect();
        let rows: Vec<i64> =
            (0..targets.len()).filter(|row| present[targets[*row]]).map(|row| row as i64).collect();
        if rows.is_empty() {
            return Ok(None);
        }
        let width = columns.len();
        let mut excluded = vec![0.0f32; rows.len() * width];
        for (place, &row) in rows.iter().enumerate() {
            let into = &mut excluded[place * width..][..width];
            for (column, present) in present.iter().enumerate() {
                if !present {
                    into[column] = EXCLUDED;
                }
            }
            let (reader, read) = chunk.rows[row as usize];
            for just_read in &self.data.reads(reader)[read.saturating_sub(JUST_READ) as usize..=read as usize]
            {
                if let Some(&column) = column_of.get(&just_read.article)
                    && column != targets[row as usize]
                {
                    into[column] = EXCLUDED;
                }
            }
        }
        let device = self.parameters.device();
        let targets: Vec<i64> = rows.iter().map(|row| targets[*row as usize] as i64).collect();
        let points = normalised(&top.index_select(0, &Tensor::from_slice(&rows).to_device(device)));
        let candidates = Tensor::from_slice(&vectors).view([-1, WIDTH as i64]).to_device(device);
        let excluded =
            Tensor::from_slice(&excluded).view([rows.len() as i64, width as i64]).to_device(device);
        let sharpness = (self.parameters.get(SHARPNESS) * SHARPNESS_PACE).exp();
        let logits = self.parameters.product(&points, &candidates) * sharpness + excluded;
        let targets = Tensor::from_slice(&targets).to_device(device);
        Ok(Some(logits.cross_entropy_loss(&targets, None::<Tensor>, Reduction::Mean, -100, 0.0)))
    }
}

fn normalised(points: &Tensor) -> Tensor {
    points / points.square().sum_dim_intlist(1, true, Kind::Float).sqrt().clamp_min(1e-6)
}
