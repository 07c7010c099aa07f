//! The exact scan of all articles, against a plain read of as many bytes in the same rounds.

use std::hint::black_box;
use std::time::Instant;

use abovefold_models::{ArticleMatrix, WIDTH};
use abovefold_schemas::ArticleId;
use tch::{Device, Kind, Tensor};

use crate::row::Row;

/// Large enough to lie outside of the caches: 150 MB.
const ARTICLES: usize = 50_000;
const NEAREST: usize = 100;
/// Rounds of each side, interleaved.
const ROUNDS: usize = 21;
/// Share of the bandwidth that is wanted.
const TARGET: f64 = 0.5;

/// One query's scan with a filter, in all threads and in one.
///
/// # Panics
/// When the matrix refuses what it has no reason to refuse.
pub fn rows() -> Vec<Row> {
    let mut matrix = ArticleMatrix::new(WIDTH, ARTICLES);
    let mut vector = vec![0.0f32; WIDTH];
    for article in 0..ARTICLES {
        for (unit, number) in vector.iter_mut().enumerate() {
            // Any numbers do, as long as they differ; this is cheap.
            *number = ((article * 31 + unit * 17) % 257) as f32 - 128.0;
        }
        matrix.upsert(ArticleId(article as i64), &vector).expect("the vector is finite and not zero");
    }
    let plain = Tensor::ones([ARTICLES as i64, WIDTH as i64], (Kind::Float, Device::Cpu));
    let threads = tch::get_num_threads();
    let mut rows = vec![row(&matrix, &plain, &vector)];
    if threads > 1 {
        tch::set_num_threads(1);
        rows.push(row(&matrix, &plain, &vector));
        tch::set_num_threads(threads);
    }
    rows
}

fn row(matrix: &ArticleMatrix, plain: &Tensor, query: &[f32]) -> Row {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let nearest = matrix.nearest(query, NEAREST, |_, article| article.0 % 7 != 0);
        let scan = gigabytes(began);
        black_box(nearest.expect("the query is finite"));
        let began = Instant::now();
        black_box(plain.sum(Kind::Float).double_value(&[]));
        rounds.push((scan, gigabytes(began)));
    }
    let threads = tch::get_num_threads();
    let name = format!("exact scan of {ARTICLES}, top {NEAREST}, threads: {threads}");
    Row::new(name, "GB/s", "reading the matrix once", rounds).wanted(TARGET)
}

fn gigabytes(began: Instant) -> f64 {
    (ARTICLES * WIDTH * 4) as f64 / began.elapsed().as_secs_f64() / 1e9
}
