//! A small world of readers for the training tests: sections, stories, and readers whose interest moves.

use abovefold_models::{
    Profile, ReadSequence, TrainingImpression, TrainingRead, TrainingSet, WIDTH, vectors::HeldVectors,
};
use abovefold_schemas::{ArticleId, Timestamp};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

pub const SECTIONS: usize = 8;

fn below(random: &mut ChaCha8Rng, limit: usize) -> usize {
    (random.next_u64() % limit as u64) as usize
}

fn direction(random: &mut ChaCha8Rng) -> Vec<f32> {
    // A sum of four uniform numbers is near enough to a normal one.
    let mut number = || (0..4).map(|_| (random.next_u32() >> 8) as f32 / (1 << 24) as f32 - 0.5).sum::<f32>();
    unit((0..WIDTH).map(|_| number()).collect())
}

fn unit(vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.into_iter().map(|x| x / length).collect()
}

/// The section of an article.
pub fn section(article: usize) -> usize {
    article % SECTIONS
}

/// How readers go from one read to the next; four in five reads are within the section in mind.
#[derive(Clone, Copy, PartialEq)]
pub enum Habit {
    /// They stay with a section for a while, return to two favourites, and after a short look go on to the section's partner.
    Stays,
    /// They go through the sections in turn, one read of each: what the mean of vectors cannot say.
    MovesOn,
}

/// A world of readers of one habit.
pub fn world(seed: u64, habit: Habit, articles: usize, readers: usize, reads: usize) -> TrainingSet {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let centres: Vec<Vec<f32>> = (0..SECTIONS).map(|_| direction(&mut random)).collect();
    let mut vectors = Vec::with_capacity(articles * WIDTH);
    for article in 0..articles {
        let own = direction(&mut random);
        let mixed = own
            .iter()
            .zip(&centres[section(article)])
            .map(|(own, centre)| 0.75 * own + 0.6 * centre)
            .collect();
        vectors.extend(unit(mixed));
    }
    let pick = |random: &mut ChaCha8Rng, wanted: usize| loop {
        let article = below(random, articles);
        if section(article) == wanted || below(random, 24) == 0 {
            return article;
        }
    };
    let mut set = TrainingSet {
        articles: (0..articles as i64).map(ArticleId).collect(),
        vectors: HeldVectors::fixed(&vectors),
        ..TrainingSet::default()
    };
    for reader in 0..readers {
        let favourites = [below(&mut random, SECTIONS), below(&mut random, SECTIONS)];
        let mut mind = favourites[0];
        let mut time = 1_700_000_000_000 + below(&mut random, 1_000_000) as i64;
        let mut sequence = ReadSequence::default();
        for _ in 0..reads / 2 + below(&mut random, reads) {
            let article = pick(&mut random, mind);
            let in_view: Vec<u32> =
                (0..8).map(|_| below(&mut random, articles) as u32).chain([article as u32]).collect();
            set.impressions.push(TrainingImpression {
                reader: reader as u32,
                time: Timestamp(time),
                profile: Profile { device: 1, ..Profile::default() },
                in_view,
                clicked: vec![article as u32],
            });
            time += 1;
            let short = below(&mut random, 3) == 0;
            sequence.reads.push(TrainingRead {
                article: article as u32,
                read_seconds: Some(if short { 4.0 } else { 90.0 }),
                scroll_percent: (below(&mut random, 4) > 0).then_some(if short { 10.0 } else { 80.0 }),
                time: Timestamp(time),
            });
            time += if below(&mut random, 6) == 0 { 7_200_000 } else { 120_000 };
            if habit == Habit::MovesOn {
                mind = (section(article) + 1) % SECTIONS;
            } else if short {
                mind = (section(article) + SECTIONS / 2) % SECTIONS;
            } else if below(&mut random, 8) == 0 {
                mind = favourites[below(&mut random, 2)];
            }
        }
        set.readers.push(sequence);
    }
    set
}
