//! Article vectors from reads: the same reads give the same bytes, and no read of the future is in them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use abovefold_models::reads::{ReadVectors, ReadVersion};
use abovefold_schemas::{ArticleId, ReaderId, Timestamp};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const SECTIONS: u64 = 4;

/// Reads of a made-up newspaper, in the order of time: readers stay within a section for a visit.
fn reads(count: usize) -> Vec<(ReaderId, ArticleId, Timestamp)> {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut below = |limit: u64| random.next_u64() % limit;
    (0..count)
        .map(|read| {
            let reader = below(40);
            let section = (reader + read as u64 / 2000) % SECTIONS;
            let article = section + SECTIONS * below(15);
            let reader = ReaderId::new(reader.to_string()).unwrap();
            (reader, ArticleId(article as i64), Timestamp(1_000_000 + read as i64 * 1_000))
        })
        .collect()
}

fn replay(reads: &[(ReaderId, ArticleId, Timestamp)]) -> (ReadVectors, Vec<ReadVersion>) {
    let mut vectors = ReadVectors::new(7);
    let versions =
        reads.iter().flat_map(|(reader, article, time)| vectors.observe(reader, *article, *time)).collect();
    (vectors, versions)
}

fn bits(vector: &[f32]) -> Vec<u32> {
    vector.iter().map(|number| number.to_bits()).collect()
}

#[test]
fn deleting_the_future_changes_no_byte_of_the_past() {
    let all = reads(4_000);
    let (_, versions) = replay(&all);
    let (half, earlier) = replay(&all[..2_000]);
    let end = all[1_999].2;
    let until: Vec<&ReadVersion> = versions.iter().filter(|version| version.from <= end).collect();
    assert_eq!(until.len(), earlier.len());
    for (one, other) in until.into_iter().zip(&earlier) {
        assert_eq!((one.article, one.from), (other.article, other.from));
        assert_eq!(bits(&one.vector), bits(&other.vector));
    }
    let (again, _) = replay(&all[..2_000]);
    for article in 0..60 {
        let vector = |vectors: &ReadVectors| vectors.vector(ArticleId(article)).map(|vector| bits(&vector));
        assert_eq!(vector(&half), vector(&again));
    }
}

#[test]
fn what_is_read_together_is_near_and_versions_are_few() {
    let (vectors, versions) = replay(&reads(1_900));
    let vector = |article: u64| vectors.vector(ArticleId(article as i64)).unwrap();
    let cosine = |a: u64, b: u64| vector(a).iter().zip(vector(b)).map(|(x, y)| x * y).sum::<f32>();
    let mean = |apart: u64| {
        let pairs = (0..20u64).map(|article| cosine(article, article + 4 + apart));
        pairs.sum::<f32>() / 20.0
    };
    assert!(mean(0) > mean(1) + 0.3, "{} {}", mean(0), mean(1));
    assert!(versions.iter().all(|version| {
        (version.vector.iter().map(|number| number * number).sum::<f32>() - 1.0).abs() < 1e-4
    }));
    let most =
        (0..60).map(|article| versions.iter().filter(|v| v.article == ArticleId(article)).count()).max();
    // About thirty reads each: ln 32 / ln 1.05.
    assert!(most.unwrap() <= 72, "{most:?}");
}

#[test]
fn a_new_article_has_a_vector_after_its_first_reader_and_alone_it_has_none() {
    let mut vectors = ReadVectors::new(1);
    let reader = |name: &str| ReaderId::new(name).unwrap();
    let (one, two) = (ArticleId(1), ArticleId(2));
    assert!(vectors.observe(&reader("a"), one, Timestamp(0)).is_empty());
    // Another visit.
    assert!(vectors.observe(&reader("a"), two, Timestamp(31 * 60_000)).is_empty());
    assert!(vectors.vector(two).is_none());
    let published = vectors.observe(&reader("a"), one, Timestamp(32 * 60_000));
    assert_eq!(published.iter().map(|version| version.article).collect::<Vec<_>>(), [two, one]);
    assert_eq!(published[0].vector, vectors.vector(two).unwrap());
}
