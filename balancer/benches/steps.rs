//! The inner steps of planning, by criterion: reading a snapshot, planning, judging moves, detecting.

#[expect(
    clippy::unwrap_used,
    reason = "a generator that makes no cluster has nothing to measure"
)]
mod instances;

use std::time::Duration;

use balancer::detect::{DetectSettings, Detector};
use balancer::model::{Model, snapshot};
use balancer::plan::{Foresight, PlanRequest, PlanSettings, Purpose, plan};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use instances::Instance;

fn cluster(brokers: usize, replicas: usize) -> Model {
    Instance {
        brokers,
        racks: 5,
        partitions: replicas / 3,
        ..Instance::default()
    }
    .model()
}

fn request(model: &Model) -> PlanRequest<'_> {
    PlanRequest {
        purpose: Purpose::of_states(model),
        settings: PlanSettings::default(),
        model,
    }
}

fn planning(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("plan");
    group.sample_size(10);
    for (brokers, replicas) in [(10, 1_000), (40, 50_000), (200, 200_000)] {
        let model = cluster(brokers, replicas);
        let id = BenchmarkId::from_parameter(format!("{brokers}x{replicas}"));
        group.bench_with_input(id, &request(&model), |bencher, request| {
            bencher.iter(|| plan(request))
        });
    }
    group.finish();
}

fn looking(criterion: &mut Criterion) {
    let model = cluster(40, 50_000);
    let moves = plan(&request(&model)).moves;
    criterion.bench_function("still helps, a plan of 40x50000", |bencher| {
        bencher.iter(|| {
            let mut foresight = Foresight::new(&model, &PlanSettings::default());
            moves
                .iter()
                .filter(|change| foresight.still_helps(change))
                .count()
        });
    });
    criterion.bench_function("detect, a tick of 40x50000", |bencher| {
        let mut detector = Detector::new(DetectSettings::default());
        let mut seconds = 0;
        bencher.iter(|| {
            seconds += 5;
            detector.tick(&model, Duration::from_secs(seconds))
        });
    });
    let mut text = Vec::new();
    if snapshot::write(&model, &mut text).is_ok() {
        criterion.bench_function("read a snapshot of 40x50000", |bencher| {
            bencher.iter(|| snapshot::read(text.as_slice()));
        });
    }
}

criterion_group!(benches, planning, looking);
criterion_main!(benches);
