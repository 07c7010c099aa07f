//! The reranker on one core, batched, against a millisecond a request; and against the score head's product, which no
//! formulation can leave out.

use std::hint::black_box;
use std::time::Instant;

use abovefold_models::rerank::Reranker;
use abovefold_models::weights::SCORE;
use abovefold_models::{Profile, RerankRequest, WIDTH, Weights};
use tch::{Device, Kind, Tensor};

use crate::row::Row;

const CANDIDATES: usize = 100;
/// Requests that wait together.
const BATCH: usize = 8;
/// Rounds of each side, interleaved.
const ROUNDS: usize = 41;
/// A millisecond a request.
const WANTED_PER_SECOND: f64 = 1000.0;

/// Requests a second on one core, beside both baselines.
pub fn rows() -> Vec<Row> {
    let threads = tch::get_num_threads();
    tch::set_num_threads(1);
    let reranker = Reranker::new(&Weights::untrained(1), Device::Cpu);
    let requests: Vec<RerankRequest> = (0..BATCH).map(request).collect();
    let inputs = Tensor::ones([(BATCH * CANDIDATES) as i64, WIDTH as i64], (Kind::Float, Device::Cpu));
    let weight = Tensor::ones([SCORE as i64, WIDTH as i64], (Kind::Float, Device::Cpu)).tr();
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let batched = rate(BATCH, || {
            black_box(reranker.score(&requests));
        });
        let alone = rate(1, || {
            black_box(reranker.score(&requests[..1]));
        });
        let products = rate(BATCH, || {
            let _ = black_box(inputs.mm(&weight));
        });
        rounds.push((batched, alone, products));
    }
    tch::set_num_threads(threads);
    let name = |requests| format!("rerank {CANDIDATES}, one core, batch of {requests}");
    let row = |requests, baseline: &str, of: fn(&(f64, f64, f64)) -> (f64, f64)| {
        Row::new(name(requests), "requests/s", baseline, rounds.iter().map(of).collect())
    };
    let wanted = "a millisecond a request";
    vec![
        row(BATCH, wanted, |round| (round.0, WANTED_PER_SECOND)).wanted(1.0),
        row(1, wanted, |round| (round.1, WANTED_PER_SECOND)),
        row(BATCH, "the score head's product alone", |round| (round.0, round.2)),
    ]
}

fn request(seed: usize) -> RerankRequest {
    let numbers = |count: usize, factor: f32| {
        (0..count).map(|place| ((place + seed * 7) as f32).sin() * factor).collect()
    };
    RerankRequest {
        profile: Profile { device: 1, ..Profile::default() },
        session: numbers(WIDTH, 0.3),
        candidates: numbers(CANDIDATES * WIDTH, 0.05),
    }
}

fn rate(requests: usize, work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    requests as f64 / began.elapsed().as_secs_f64()
}
