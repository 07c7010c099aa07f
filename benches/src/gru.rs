//! The GRU step, against plain products of the same shapes and precision in the same rounds.

use std::hint::black_box;
use std::time::Instant;

use abovefold_models::card::{Precision, Scaling};
use abovefold_models::session::SessionModel;
use abovefold_models::{Behaviour, HIDDEN, LAYERS, WIDTH, Weights};
use tch::{Device, Kind, Tensor};

use crate::row::Row;

/// Rows of a tile, as inference has them unless told otherwise.
const TILE: usize = 64;
/// Rounds of each side, interleaved.
const ROUNDS: usize = 31;
/// Tiles, or products as large, of one round.
const PER_ROUND: usize = 8;
/// Multiply-adds of a tile count two; one layer has two products `[TILE, WIDTH] x [WIDTH, 3 WIDTH]`.
const TILE_OPERATIONS: f64 = 2.0 * (LAYERS * 2 * TILE * WIDTH * 3 * WIDTH) as f64;
/// Share of the peak that is wanted.
const TARGET: f64 = 0.5;

/// One row for each precision, with all threads.
pub fn rows() -> Vec<Row> {
    [Precision::F32, Precision::Bf16].map(row).into()
}

fn row(precision: Precision) -> Row {
    let kind = if precision == Precision::Bf16 { Kind::BFloat16 } else { Kind::Float };
    let mut model =
        SessionModel::new(&Weights::untrained(1), Scaling::default(), precision, TILE, Device::Cpu);
    let hidden: Vec<f32> = (0..TILE * HIDDEN).map(|place| (place as f32).sin() * 0.5).collect();
    let vectors: Vec<f32> = (0..TILE * WIDTH).map(|place| (place as f32).cos() * 0.05).collect();
    let behaviours =
        vec![Behaviour { read_seconds: Some(30.0), scroll_percent: Some(50.0), position: 3 }; TILE];
    let mut after = vec![0.0; hidden.len()];

    let (rows, inner, outer) = (TILE as i64, WIDTH as i64, 3 * WIDTH as i64);
    let input = Tensor::ones([rows, inner], (Kind::Float, Device::Cpu)).to_kind(kind);
    let weight = Tensor::ones([outer, inner], (Kind::Float, Device::Cpu)).to_kind(kind).tr();
    let output = Tensor::zeros([rows, outer], (kind, Device::Cpu));

    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        for _ in 0..PER_ROUND {
            model.step_tile(&hidden, &vectors, &behaviours, &mut after);
            black_box(&after);
        }
        let steps = gigaflops(began);
        let began = Instant::now();
        for _ in 0..PER_ROUND * LAYERS * 2 {
            let _ = black_box(input.mm_out(&output, &weight));
        }
        rounds.push((steps, gigaflops(began)));
    }
    let baseline = format!("product {TILE} x {inner} x {outer}, {} threads", tch::get_num_threads());
    Row::new(format!("GRU step, tile of {TILE}, {precision}"), "GFLOP/s", baseline, rounds).wanted(TARGET)
}

fn gigaflops(began: Instant) -> f64 {
    TILE_OPERATIONS * PER_ROUND as f64 / began.elapsed().as_secs_f64() / 1e9
}
