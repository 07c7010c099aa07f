//! The session model learns to point at the article that a reader reads next.
//!
//! Cross-entropy over the articles that other readers of the batch read next and ten random ones. Scores are cosines times a constant,
//! since the nearest articles are found by cosine. What the reader has just read is no negative: it is never shown again.

use std::collections::HashMap;
use std::time::Instant;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use tch::nn::{Adam, OptimizerConfig};
use tch::{Device, Kind, Reduction, Tensor};

use super::network::{Parameters, dropout};
use super::prepare::{Data, Step};
use super::stepping::step_through;
use super::{Meter, TrainingOptions, rate_at, smoothed};
use crate::seed::{below, shuffle};
use crate::weights::{SESSION, Weights, numbers};
use crate::{LAYERS, WIDTH};

/// Reads that gradients flow back over.
const CHUNK: usize = 20;
/// Random articles beside those of the batch.
const RANDOM_NEGATIVES: usize = 10;
/// Articles that a held-out read is ranked among.
const RANKED_AMONG: usize = 4096;
/// Held-out reads that are ranked in one product.
const RANKED_AT_ONCE: usize = 512;
/// Added to the score of what is no negative.
const EXCLUDED: f32 = -1e4;
const GRADIENT_NORM: f64 = 1.0;

pub(super) fn train(
    data: &Data,
    options: &TrainingOptions,
    weights: &mut Weights,
    meter: &mut Meter<'_>,
) -> Vec<(String, f64)> {
    let unit = {
        let lengths = data.vectors.square().sum_dim_intlist(1, true, Kind::Float).sqrt();
        &data.vectors / lengths.clamp_min(1e-6)
    };
    let parameters = Parameters::new(weights, SESSION, options.half_precision());
    let mut adam = Adam::default()
        .build(&parameters.store, options.learning_rate)
        .expect("Adam takes every store of float variables");
    let mut random = ChaCha8Rng::seed_from_u64(options.seed ^ 0x7365_7373);
    let held_out = HeldOut { data, unit: &unit };
    let mean_of_vectors = held_out.mrr_of_means();
    let untrained = held_out.mrr(&parameters);
    let (mut best, mut stale) = (untrained, 0);
    let chunks_of = |reader: &usize| (data.readers[*reader].len() - 1).div_ceil(CHUNK);
    let steps = options.epochs * data.learn.iter().map(chunks_of).sum::<usize>().div_ceil(options.batch);
    let (mut step, mut loss, mut reads, began) = (0, None, 0usize, Instant::now());
    let mut epochs_done = 0;

    for epoch in 1..=options.epochs {
        'reads: for batch in batches(data, options.batch, &mut random) {
            let mut hidden: Vec<Tensor> = Vec::new();
            for chunk in chunks(data, &batch) {
                if meter.late() {
                    break 'reads;
                }
                let active = chunk.readers as i64;
                hidden = if hidden.is_empty() {
                    (0..LAYERS).map(|_| zeros(active)).collect()
                } else {
                    hidden.iter().map(|state| state.narrow(0, 0, active).contiguous()).collect()
                };
                adam.set_lr(rate_at(step, steps, options.learning_rate));
                let vectors = data.vectors.index_select(0, &Tensor::from_slice(&chunk.articles));
                let behaviours = Tensor::from_slice(&chunk.behaviours).view([-1, 3]);
                let (top, last) = parameters.session(&behaviours, &vectors, &hidden, |units| {
                    dropout(units, options.dropout, &mut random)
                });
                hidden = last.iter().map(Tensor::detach).collect();
                let cost = next_read_loss(&parameters, &top, &chunk, &unit, options.sharpness, &mut random);
                adam.backward_step_clip_norm(&cost, GRADIENT_NORM);
                loss = Some(smoothed(loss, cost.double_value(&[])));
                reads += chunk.targets.len();
                step += 1;
                let rate = reads as f64 / began.elapsed().as_secs_f64();
                meter.tell(
                    "session model",
                    epoch,
                    step as f64 / steps.max(1) as f64,
                    loss.unwrap_or(0.0),
                    rate,
                );
            }
        }
        epochs_done = epoch;
        let mrr = held_out.mrr(&parameters);
        if mrr > best || data.held_out.is_empty() {
            (best, stale) = (mrr, 0);
            parameters.save_to(weights);
        } else {
            stale += 1;
        }
        tracing::info!(epoch, mrr, mean_of_vectors, untrained, loss, "session model trained");
        if meter.late() || stale >= options.patience {
            break;
        }
    }
    [
        ("next_read_mrr", best),
        ("next_read_mrr_untrained", untrained),
        ("next_read_mrr_mean_of_vectors", mean_of_vectors),
        ("session_loss", loss.unwrap_or(0.0)),
        ("session_epochs", epochs_done as f64),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// Readers in batches of like length, the longest first within a batch, the batches in random order.
fn batches(data: &Data, size: usize, random: &mut ChaCha8Rng) -> Vec<Vec<usize>> {
    let mut readers = data.learn.clone();
    shuffle(random, &mut readers);
    let length = |reader: &usize| data.readers[*reader].len();
    readers.sort_by_key(|reader| std::cmp::Reverse(length(reader) / 8));
    let mut batches: Vec<Vec<usize>> = readers.chunks(size.max(1)).map(<[usize]>::to_vec).collect();
    for batch in &mut batches {
        batch.sort_by_key(|reader| std::cmp::Reverse(length(reader)));
    }
    shuffle(random, &mut batches);
    batches
}

/// A stretch of a batch's reads, read by read, over the readers that still have some (they come first).
struct Chunk {
    readers: usize,
    /// Articles read, `[reads * readers]`; zero where a reader has no more.
    articles: Vec<i64>,
    /// Their scaled behaviour.
    behaviours: Vec<f32>,
    /// Rows that have a next read.
    rows: Vec<i64>,
    /// The articles read next, one for each of `rows`.
    targets: Vec<usize>,
}

fn chunks(data: &Data, batch: &[usize]) -> Vec<Chunk> {
    let longest = batch.first().map_or(0, |reader| data.readers[*reader].len());
    let mut chunks = Vec::new();
    for start in (0..longest.saturating_sub(1)).step_by(CHUNK) {
        let going: Vec<&Vec<Step>> = batch
            .iter()
            .map(|reader| &data.readers[*reader])
            .filter(|steps| steps.len() > start + 1)
            .collect();
        let reads = CHUNK.min(longest - 1 - start);
        let readers = going.len();
        let mut chunk = Chunk {
            readers,
            articles: vec![0; reads * readers],
            behaviours: vec![0.0; reads * readers * 3],
            rows: Vec::new(),
            targets: Vec::new(),
        };
        for (column, steps) in going.iter().enumerate() {
            for read in 0..reads.min(steps.len() - 1 - start) {
                let row = read * readers + column;
                let step = &steps[start + read];
                chunk.articles[row] = step.article as i64;
                chunk.behaviours[row * 3..][..3].copy_from_slice(&step.behaviour.scaled(&data.scaling));
                chunk.rows.push(row as i64);
                chunk.targets.push(steps[start + read + 1].article);
            }
        }
        chunks.push(chunk);
    }
    chunks
}

fn next_read_loss(
    parameters: &Parameters,
    top: &Tensor,
    chunk: &Chunk,
    unit: &Tensor,
    sharpness: f64,
    random: &mut ChaCha8Rng,
) -> Tensor {
    let articles = unit.size()[0] as usize;
    let mut column_of: HashMap<usize, usize> = HashMap::new();
    let mut columns: Vec<i64> = Vec::new();
    let drawn = (0..RANDOM_NEGATIVES).map(|_| below(random, articles));
    let mut targets: Vec<i64> = Vec::with_capacity(chunk.targets.len());
    for (index, article) in chunk.targets.iter().copied().chain(drawn).enumerate() {
        let column = *column_of.entry(article).or_insert_with(|| {
            columns.push(article as i64);
            columns.len() - 1
        });
        if index < chunk.targets.len() {
            targets.push(column as i64);
        }
    }
    let mut excluded = vec![0.0f32; targets.len() * columns.len()];
    for (place, (&row, &target)) in chunk.rows.iter().zip(&targets).enumerate() {
        for earlier in (0..=row as usize).rev().step_by(chunk.readers) {
            if let Some(&column) = column_of.get(&(chunk.articles[earlier] as usize))
                && column as i64 != target
            {
                excluded[place * columns.len() + column] = EXCLUDED;
            }
        }
    }
    let points = normalised(&top.index_select(0, &Tensor::from_slice(&chunk.rows)));
    let candidates = unit.index_select(0, &Tensor::from_slice(&columns));
    let excluded = Tensor::from_slice(&excluded).view([targets.len() as i64, columns.len() as i64]);
    let logits = parameters.product(&points, &candidates) * sharpness + excluded;
    logits.cross_entropy_loss(&Tensor::from_slice(&targets), None::<Tensor>, Reduction::Mean, -100, 0.0)
}

fn zeros(readers: i64) -> Tensor {
    Tensor::zeros([readers, WIDTH as i64], (Kind::Float, Device::Cpu))
}

fn normalised(points: &Tensor) -> Tensor {
    points / points.square().sum_dim_intlist(1, true, Kind::Float).sqrt().clamp_min(1e-6)
}

/// Takes, read by read, a reader's index, its number of reads so far, and where it points.
type PointSink<'a> = Box<dyn FnMut(usize, usize, &[f32]) + 'a>;

/// Readers that are not trained on: how high does what they read next rank among all articles that they have not read yet?
struct HeldOut<'a> {
    data: &'a Data,
    unit: &'a Tensor,
}

impl HeldOut<'_> {
    fn mrr(&self, parameters: &Parameters) -> f64 {
        let mut weights = Weights::default();
        parameters.save_to(&mut weights);
        let half = parameters.half();
        self.mean_reciprocal_rank(|readers, points| {
            step_through(self.data, &weights, half, readers, |_| false, points);
        })
    }

    fn mrr_of_means(&self) -> f64 {
        let unit = numbers(self.unit);
        self.mean_reciprocal_rank(|readers, mut points| {
            for (reader, reads) in readers {
                let mut sum = vec![0.0f32; WIDTH];
                for (read, step) in self.data.readers[reader][..reads].iter().enumerate() {
                    let vector = &unit[step.article * WIDTH..][..WIDTH];
                    sum.iter_mut().zip(vector).for_each(|(sum, number)| *sum += number);
                    points(reader, read + 1, &sum);
                }
            }
        })
    }

    /// `run` takes the readers and hands on, for each of their reads, where the reader points after it.
    fn mean_reciprocal_rank(&self, run: impl FnOnce(Vec<(usize, usize)>, PointSink<'_>)) -> f64 {
        let _no_grad = tch::no_grad_guard();
        let readers =
            self.data.held_out.iter().map(|reader| (*reader, self.data.readers[*reader].len() - 1)).collect();
        let mut points: Vec<f32> = Vec::new();
        let mut asked: Vec<(usize, usize)> = Vec::new();
        run(
            readers,
            Box::new(|reader, reads, point: &[f32]| {
                points.extend_from_slice(point);
                asked.push((reader, reads));
            }),
        );
        let (mut sum, mut count) = (0.0, 0u64);
        for (asked, points) in asked.chunks(RANKED_AT_ONCE).zip(points.chunks(RANKED_AT_ONCE * WIDTH)) {
            let queries = normalised(&Tensor::from_slice(points).view([-1, WIDTH as i64]));
            let scores = numbers(&queries.matmul(&self.unit.narrow(0, 0, self.among() as i64).tr()));
            let next: Vec<i64> = asked
                .iter()
                .map(|(reader, reads)| self.data.readers[*reader][*reads].article as i64)
                .collect();
            let next = self.unit.index_select(0, &Tensor::from_slice(&next));
            let of_next = numbers(&(queries * next).sum_dim_intlist(1, false, Kind::Float));
            for (place, &(reader, reads)) in asked.iter().enumerate() {
                let steps = &self.data.readers[reader];
                let seen = |article: usize| steps[..reads].iter().any(|step| step.article == article);
                let target = steps[reads].article;
                if seen(target) {
                    continue;
                }
                let mut rank = 1.0;
                for (article, &score) in scores[place * self.among()..][..self.among()].iter().enumerate() {
                    if score < of_next[place] || article == target || seen(article) {
                        continue;
                    }
                    // Equal scores share their mean rank.
                    rank += if score > of_next[place] { 1.0 } else { 0.5 };
                }
                sum += 1.0 / rank;
                count += 1;
            }
        }
        if count == 0 { 0.0 } else { sum / count as f64 }
    }

    fn among(&self) -> usize {
        self.data.articles.min(RANKED_AMONG)
    }
}
