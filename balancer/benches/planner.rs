//! How long a plan takes, and how good it is.

#[expect(
    clippy::unwrap_used,
    reason = "a generator that makes no cluster has nothing to measure"
)]
mod instances;

use balancer::plan::{PlanRequest, PlanSettings, Purpose, plan};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use instances::Instance;

fn planner(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("plan");
    group.sample_size(10);
    for (brokers, replicas) in [(6, 1_000), (40, 50_000), (200, 200_000), (1_000, 1_000_000)] {
        let model = Instance {
            brokers,
            racks: 3,
            partitions: replicas / 3,
            ..Instance::default()
        }
        .model();
        let request = PlanRequest {
            purpose: Purpose::of_states(&model),
            settings: PlanSettings::default(),
            model: &model,
        };
        let id = BenchmarkId::from_parameter(format!("{brokers}x{replicas}"));
        group.bench_with_input(id, &request, |bencher, request| bencher.iter(|| plan(request)));
    }
    group.finish();
}

criterion_group!(benches, planner);
criterion_main!(benches);
