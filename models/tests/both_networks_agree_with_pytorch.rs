//! Both networks against vectors that stock `torch.nn` modules made (`models/scripts/parity.py` writes and repeats them).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use abovefold_models::card::Scaling;
use abovefold_models::rerank::Reranker;
use abovefold_models::session::SessionModel;
use abovefold_models::weights::{RERANKER, SESSION};
use abovefold_models::{Behaviour, HIDDEN, Precision, Profile, RerankRequest, WIDTH, Weights};
use tch::Device;

const READERS: usize = 2;
const READS: usize = 3;
const STRIDE: usize = 8;

fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// The script's rule: numbers in [-0.05, 0.05) from a hash of the name and the place.
fn ruled(name: &str, count: usize) -> Vec<f32> {
    let start = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (0..count as u64)
        .map(|place| {
            (((mix(start.wrapping_add(place)) >> 40) as f64 / (1u64 << 24) as f64 * 2.0 - 1.0) * 0.05) as f32
        })
        .collect()
}

fn scaled(name: &str, count: usize, factor: f32) -> Vec<f32> {
    ruled(name, count).into_iter().map(|number| number * factor).collect()
}

fn weights() -> Weights {
    let mut weights = Weights::default();
    for (name, shape) in SESSION.iter().chain(RERANKER) {
        let mut numbers = ruled(name, shape.iter().product());
        if *name == "query_norm.weight" {
            numbers.iter_mut().for_each(|number| *number += 1.0);
        }
        weights.insert(name, shape, numbers);
    }
    weights
}

fn golden() -> serde_json::Value {
    serde_json::from_str(include_str!("golden/parity.json")).unwrap()
}

fn floats(value: &serde_json::Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

fn worst(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// A behaviour whose three scaled inputs are the given ones; the position is a whole number, so the scaling is undone by hand.
fn step(precision: Precision) -> Vec<f32> {
    // The script feeds scaled inputs. Read time and scroll go through as missing values whose mean is the input; the position
    // has no such way, so its weight is moved into the bias of each row's model.
    let inputs =
        scaled("input.behaviours", READERS * READS * 3, 10.0).iter().map(|x| x + 0.5).collect::<Vec<_>>();
    let vectors = ruled("input.vectors", READERS * READS * WIDTH);
    let mut result = Vec::new();
    for reader in 0..READERS {
        let mut hidden = vec![0.0; HIDDEN];
        for read in 0..READS {
            let at = reader * READS + read;
            let input = &inputs[at * 3..][..3];
            let mut weights = weights();
            let columns = weights.get("fusion.0.weight").unwrap().data.clone();
            let position = Behaviour { position: 1, ..Behaviour::default() }.scaled(&Scaling::default())[2];
            let bias = weights.get("fusion.0.bias").unwrap().data.clone();
            let moved =
                (0..64).map(|unit| bias[unit] + columns[unit * 3 + 2] * (input[2] - position)).collect();
            weights.insert("fusion.0.bias", &[64], moved);
            let scaling = Scaling { mean_read: input[0], mean_scroll: input[1] };
            let mut model = SessionModel::new(&weights, scaling, precision, 8, Device::Cpu);
            let behaviour = Behaviour { read_seconds: None, scroll_percent: None, position: 1 };
            let mut after = vec![0.0; HIDDEN];
            model.step_tile(&hidden, &vectors[at * WIDTH..][..WIDTH], &[behaviour], &mut after);
            hidden = after;
        }
        result.push(hidden);
    }
    let sampled = |hidden: &Vec<f32>| hidden.iter().step_by(STRIDE).copied().collect::<Vec<f32>>();
    result.iter().flat_map(sampled).collect()
}

#[test]
fn the_session_model_agrees_within_1e_4() {
    let expected: Vec<f32> = golden()["hidden"].as_array().unwrap().iter().flat_map(floats).collect();
    let difference = worst(&step(Precision::F32), &expected);
    assert!(difference <= 1e-4, "largest difference {difference}");
    let spread = expected.iter().fold(0.0f32, |most, number| most.max(number.abs()));
    assert!(spread > 0.05, "the stored vectors say something: {spread}");
}

#[test]
fn in_bf16_it_agrees_within_a_hundredth() {
    let expected: Vec<f32> = golden()["hidden"].as_array().unwrap().iter().flat_map(floats).collect();
    let difference = worst(&step(Precision::Bf16), &expected);
    assert!(difference <= 1e-2, "largest difference {difference}");
}

#[test]
fn the_reranker_agrees_within_1e_4() {
    let golden = golden();
    let counts = [7, 3];
    let requests: Vec<RerankRequest> = counts
        .iter()
        .enumerate()
        .map(|(index, &count)| RerankRequest {
            profile: Profile {
                device: 1 + index as u8,
                gender: 2 - index as u8,
                age: 3 + index as u8,
                sso: index == 0,
                subscriber: true,
            },
            session: scaled(&format!("input.session.{index}"), WIDTH, 10.0),
            candidates: scaled(&format!("input.candidates.{index}"), count * WIDTH, 20.0),
        })
        .collect();
    let scores = Reranker::new(&weights(), Device::Cpu).score(&requests);
    for (found, expected) in scores.iter().zip(golden["scores"].as_array().unwrap()) {
        let expected = floats(expected);
        let difference = worst(found, &expected);
        assert!(difference <= 1e-4, "largest difference {difference}");
        assert!(
            expected.iter().any(|score| (score - expected[0]).abs() > 1e-3),
            "the stored scores differ: {expected:?}"
        );
    }
}
