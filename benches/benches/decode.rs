//! Decoding, by criterion: for looking closely at one change.

use std::hint::black_box;

use abovefold_benches::pipeline;
use abovefold_engine::log::RecordRun;
use abovefold_operators::decode::Decode;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

fn decode(criterion: &mut Criterion) {
    let records = pipeline::events(0, 1_000, pipeline::READERS);
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(records.len() as u64));
    group.bench_function("JSON to Arrow, a run of 1,000", |bencher| {
        let mut decode = Decode::default();
        bencher.iter_batched(
            || RecordRun::new(0, records.clone()),
            |run| black_box(decode.run(run)),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
