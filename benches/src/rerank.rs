//! The reranker on one core, batched, against a millisecond a request; and against the score head's product, which no
//! formulation can leave out.

use std::hint::black_box;
use std::time::Instant;

use abovefold_models::rerank::Reranker;
use abovefold_models::weights::SCORE;
use abovefold_models::{Profile, RerankRequest, WIDTH, Weights};
use tch::{Device, Kind, Tensor};

use crate::row::{Row, median};

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
    let (mut batched, mut alone, mut products) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        batched.push(rate(BATCH, || {
            black_box(reranker.score(&requests));
        }));
        alone.push(rate(1, || {
            black_box(reranker.score(&requests[..1]));
        }));
        products.push(rate(BATCH, || {
            let _ = black_box(inputs.mm(&weight));
        }));
    }
    tch::set_num_threads(threads);
    let row = |name: String, value: f64, baseline: &str, baseline_value, target| Row {
        name,
        value,
        unit: "requests/s".into(),
        baseline: baseline.into(),
        baseline_value,
        target,
    };
    let (batched, alone, products) = (median(&batched), median(&alone), median(&products));
    let name = |requests| format!("rerank {CANDIDATES}, one core, batch of {requests}");
    vec![
        row(name(BATCH), batched, "a millisecond a request", WANTED_PER_SECOND, Some(1.0)),
        row(name(1), alone, "a millisecond a request", WANTED_PER_SECOND, None),
        row(name(BATCH), batched, "the score head's product alone", products, None),
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
