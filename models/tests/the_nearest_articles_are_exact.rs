//! The scan against a plain loop, with filters, updates and removals.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use abovefold_models::{ArticleMatrix, MatrixError};
use abovefold_schemas::ArticleId;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const WIDTH: usize = 24;

fn vector(random: &mut ChaCha8Rng) -> Vec<f32> {
    (0..WIDTH).map(|_| (random.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn they_agree_with_a_plain_loop_whatever_is_added_changed_and_removed() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut matrix = ArticleMatrix::new(WIDTH, 1);
    let mut plain: Vec<(ArticleId, Vec<f32>)> = Vec::new();
    for round in 0..600i64 {
        let id = ArticleId(i64::from(random.next_u32() % 250));
        plain.retain(|(article, _)| *article != id);
        if round % 4 == 3 {
            matrix.remove(id);
        } else {
            let vector = vector(&mut random);
            matrix.upsert(id, &vector).unwrap();
            plain.push((id, vector));
        }
        assert_eq!(matrix.len(), plain.len());
    }
    for queries in [1, 3, 70] {
        let queries: Vec<Vec<f32>> = (0..queries).map(|_| vector(&mut random)).collect();
        let keep = |query: usize, article: ArticleId| (article.0 + query as i64) % 3 != 0;
        let found = matrix.nearest(&queries.concat(), 10, keep).unwrap();
        for (index, query) in queries.iter().enumerate() {
            let mut expected: Vec<(ArticleId, f64)> = plain
                .iter()
                .filter(|(article, _)| keep(index, *article))
                .map(|(article, vector)| (*article, cosine(query, vector)))
                .collect();
            expected.sort_by(|a, b| b.1.total_cmp(&a.1));
            assert_eq!(found[index].len(), 10);
            for ((article, score), (_, best)) in found[index].iter().zip(&expected) {
                assert!(keep(index, *article));
                assert!((f64::from(*score) - best).abs() < 1e-5);
            }
        }
    }
}

#[test]
fn ties_go_by_id_and_short_lists_are_short() {
    let mut matrix = ArticleMatrix::new(2, 0);
    assert_eq!(matrix.nearest(&[1.0, 0.0], 5, |_, _| true).unwrap(), vec![vec![]]);
    for id in [9, 3, 7, 5] {
        matrix.upsert(ArticleId(id), &[2.0, 0.0]).unwrap();
    }
    matrix.upsert(ArticleId(1), &[0.0, 1.0]).unwrap();
    let ids = |k| -> Vec<i64> {
        matrix.nearest(&[1.0, 0.0], k, |_, article| article.0 != 5).unwrap()[0]
            .iter()
            .map(|(id, _)| id.0)
            .collect()
    };
    assert_eq!(ids(2), [3, 7]);
    assert_eq!(ids(9), [3, 7, 9, 1]);
    assert!(ids(0).is_empty());
    assert_eq!(matrix.vector(ArticleId(3)), Some(vec![1.0, 0.0]));
    assert_eq!(matrix.nearest(&[0.0, 0.0], 3, |_, _| true).unwrap(), vec![vec![]]);
}

#[test]
fn vectors_without_direction_are_refused_by_name() {
    let mut matrix = ArticleMatrix::new(2, 4);
    let article = Some(ArticleId(8));
    assert_eq!(matrix.upsert(ArticleId(8), &[0.0, 0.0]), Err(MatrixError::NoDirection { article }));
    assert_eq!(matrix.upsert(ArticleId(8), &[f32::NAN, 0.0]), Err(MatrixError::NotFinite { article }));
    let error = matrix.upsert(ArticleId(8), &[1.0]).unwrap_err();
    assert_eq!(error.to_string(), "the vector of article 8 has 1 numbers, expected 2");
    assert!(matrix.is_empty());
    assert!(matrix.nearest(&[f32::INFINITY, 0.0], 1, |_, _| true).is_err());
}
