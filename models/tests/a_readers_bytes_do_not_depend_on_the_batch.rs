//! The fold's numerics: a row's bytes depend neither on its place in a tile, nor on its neighbours, nor on how many there are,
//! nor on the number of threads.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use abovefold_models::{
    Behaviour, DeviceChoice, HIDDEN, Inference, InferenceOptions, ModelFolder, Precision, StepBatch, WIDTH,
    session_embedding,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const ROWS: usize = 90;
const ROUNDS: u64 = 12;

fn number(random: &mut ChaCha8Rng) -> f32 {
    (random.next_u32() >> 8) as f32 / (1 << 24) as f32 * 2.0 - 1.0
}

fn rows(random: &mut ChaCha8Rng) -> StepBatch {
    let mut batch = StepBatch::with_capacity(ROWS);
    for row in 0..ROWS {
        let hidden: Vec<f32> = (0..HIDDEN).map(|_| number(random)).collect();
        let vector: Vec<f32> = (0..WIDTH).map(|_| number(random) * 0.06).collect();
        let read_seconds = (row % 3 > 0).then(|| number(random).abs() * 300.0);
        let scroll_percent = (row % 5 > 0).then(|| number(random).abs() * 100.0);
        batch.push(
            &hidden,
            &vector,
            Behaviour { read_seconds, scroll_percent, position: 1 + row as u32 % 7 },
        );
    }
    batch
}

fn start(precision: Precision, threads: usize) -> Inference {
    let options =
        InferenceOptions { device: DeviceChoice::Cpu, precision: Some(precision), tile: 32, threads };
    Inference::start(&ModelFolder::untrained(3), options).unwrap()
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

fn check(precision: Precision) {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let batch = rows(&mut random);
    let inference = start(precision, 2);
    let expected = inference.step_blocking(batch.clone()).unwrap();
    assert!(session_embedding(expected.row(0)).iter().any(|number| number.abs() > 0.01));
    let one_thread = start(precision, 1);
    for seed in 0..ROUNDS {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let count = 1 + random.next_u32() as usize % ROWS;
        let chosen: Vec<usize> = (0..count).map(|_| random.next_u32() as usize % ROWS).collect();
        let mut part = StepBatch::with_capacity(count);
        for &row in &chosen {
            part.push(
                &batch.hidden[row * HIDDEN..][..HIDDEN],
                &batch.vectors[row * WIDTH..][..WIDTH],
                batch.behaviours[row],
            );
        }
        let runs = if seed % 2 == 0 { &inference } else { &one_thread };
        let found = runs.step_blocking(part).unwrap();
        for (place, &row) in chosen.iter().enumerate() {
            assert_eq!(
                bits(found.row(place)),
                bits(expected.row(row)),
                "{precision}, seed {seed}: row {row} at {place} of {count}"
            );
        }
    }
}

#[test]
fn in_f32() {
    check(Precision::F32);
}

#[test]
fn in_bf16() {
    check(Precision::Bf16);
}

#[test]
fn zeros_step_to_the_same_bytes_alone_and_in_company() {
    let inference = start(Precision::F32, 2);
    let mut alone = StepBatch::with_capacity(1);
    alone.push(&[0.0; HIDDEN], &[0.0; WIDTH], Behaviour { position: 1, ..Behaviour::default() });
    let mut company = rows(&mut ChaCha8Rng::seed_from_u64(5));
    company.push(&alone.hidden, &alone.vectors, alone.behaviours[0]);
    let found = inference.step_blocking(company).unwrap();
    assert_eq!(bits(found.row(ROWS)), bits(inference.step_blocking(alone).unwrap().row(0)));
}
