//! Ranking 100 candidates: their columns, read off the folds, and the trees over them. The limit is 1 ms on one core, without the networks.
//!
//! What is measured is the thread's own time on a processor, since the machine is shared.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark ends where its world breaks")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use abovefold_models::{
    learner::{LearnerOptions, Parts},
    trees::{Lists, Trees, TreesOptions},
};
use abovefold_operators::features::{
    Candidate, ColumnRanker, Columns, History, Inputs, Moment, PastArticle, PastRead, column_names,
    features_at,
};
use abovefold_schemas::{ArticleId, ReaderId, Timestamp};
use criterion::{Criterion, criterion_group, criterion_main};

const NOON: i64 = 1_704_110_400_000;
const CANDIDATES: i64 = 100;
const PARTITIONS: u32 = 4;
const WIDTH: usize = 768;
/// As in the published measurements: trees of 63 leaves.
const TREES: usize = 240;

fn mixed(number: i64) -> i64 {
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64) >> 20).rem_euclid(1 << 30)
}

fn history() -> History {
    let mut history = History::new(PARTITIONS, LearnerOptions::default());
    let readers: Vec<ReaderId> = (0..500).map(|id| ReaderId::new(format!("r{id}")).unwrap()).collect();
    let mut steps = Vec::new();
    for second in 0..40_000 {
        let read = PastRead {
            reader: &readers[mixed(second) as usize % readers.len()],
            article: ArticleId(mixed(second * 7) % 400 * (mixed(second * 13) % 2)),
            time: Timestamp(NOON + second * 1_000),
            read_time: Some((second % 90) as f32),
            scroll_pct: None,
            device: 1,
        };
        history.read(&read, &mut steps);
        steps.clear();
    }
    history
}

fn vectors() -> Vec<Vec<f32>> {
    let vector = |id: i64| -> Vec<f32> {
        (0..WIDTH as i64).map(|at| mixed(id * 1_000 + at) as f32 / (1 << 30) as f32 / 16.0).collect()
    };
    (0..400).map(vector).collect()
}

struct World {
    history: History,
    vectors: Vec<Vec<f32>>,
    reader: ReaderId,
}

impl World {
    fn columns(&self, moved: i64) -> Columns {
        let ids: Vec<ArticleId> = (0..CANDIDATES).map(|id| ArticleId((id * 4 + moved) % 400)).collect();
        let candidates: Vec<Candidate<'_>> = ids
            .iter()
            .map(|id| Candidate {
                article: *id,
                published: Some(Timestamp(NOON)),
                vector: Some(&self.vectors[id.0 as usize]),
                category: "news",
                session: 0.5,
                rerank: 0.1,
            })
            .collect();
        let state = self.history.reader(&self.reader);
        let past: Vec<PastArticle<'_>> = state
            .reads
            .iter()
            .map(|read| PastArticle {
                vector: Some(&self.vectors[read.article_id as usize]),
                category: "news",
            })
            .collect();
        let moment = Moment {
            now: Timestamp(NOON + 40_000_000),
            reads: &state.reads,
            total_reads: state.total_reads,
            page: Some(ArticleId(9)),
            device: 1,
        };
        let learned: Vec<Parts> =
            self.history.learner().table().scores(&moment.learned(&self.reader, &moment.pages()), &ids);
        let counts = self.history.counts();
        let inputs =
            Inputs { counts, exposures: None, learned: &learned, past: &past, page: past.first().copied() };
        features_at(&moment, &candidates, &inputs)
    }
}

fn grown(world: &World) -> Trees {
    let columns = column_names().iter().map(|column| column.name.to_owned()).collect();
    let mut lists = Lists { columns, ..Lists::default() };
    for list in 0..300 {
        let clicked: Vec<bool> = (0..CANDIDATES).map(|row| mixed(list * 31 + row) % 40 == 0).collect();
        lists.push(&world.columns(list).values, &clicked);
    }
    let options = TreesOptions { rows_in_leaf: 20, ..TreesOptions::default() };
    Trees::grow(&lists, &options, TREES, &mut |_, _, _| {}).unwrap()
}

fn rank(criterion: &mut Criterion) {
    let world = World { history: history(), vectors: vectors(), reader: ReaderId::new("r7").unwrap() };
    let trees = grown(&world);
    let ranker = ColumnRanker::new(&trees).unwrap();
    let columns = world.columns(1);
    let mut measure = |name: &str, work: &dyn Fn() -> usize| {
        criterion.bench_function(name, |bencher| bencher.iter_custom(|times| own_time(times, work)));
    };
    measure("rank 100 candidates: features + trees", &|| ranker.scores(&world.columns(1)).len());
    measure("rank 100 candidates: features", &|| world.columns(1).values.len());
    measure("rank 100 candidates: trees", &|| ranker.scores(&columns).len());
    measure("rank 100 candidates: trees, by the library", &|| trees.scores(&columns.values).unwrap().len());
    measure("explain ten candidates", &|| (0..10).map(|row| ranker.reasons(&columns, row).len()).sum());
}

/// The scheduler counts in ticks of some milliseconds, which are many of what is measured.
const REPEATS: u32 = 64;

/// The time that this thread was on a processor, by Linux's scheduler; the time that passed elsewhere.
fn own_time(times: u64, work: &dyn Fn() -> usize) -> Duration {
    let on_processor = || {
        let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        Some(Duration::from_nanos(stat.split(' ').next()?.parse().ok()?))
    };
    let (began, before) = (Instant::now(), on_processor());
    for _ in 0..times * u64::from(REPEATS) {
        black_box(work());
    }
    let all = match (before, on_processor()) {
        (Some(before), Some(after)) => after - before,
        _ => began.elapsed(),
    };
    all / REPEATS
}

criterion_group!(benches, rank);
criterion_main!(benches);
