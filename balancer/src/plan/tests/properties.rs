//! What holds of every plan, on generated clusters.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::instances::Instance;

fn distinct_racks(model: &Model, row: crate::model::PartitionIndex) -> usize {
    let racks: HashSet<u32> = model.replicas(row).iter().map(|&b| model.rack(b)).collect();
    racks.len()
}

fn assert_constraints(model: &Model, plan: &Plan) {
    let after = applied(model, plan);
    let settings = PlanSettings::default();
    for row in model.partitions() {
        assert_eq!(model.replicas(row).len(), after.replicas(row).len());
        let possible = model.replicas(row).len().min(staying_racks(model));
        assert!(distinct_racks(&after, row) >= distinct_racks(model, row).min(possible));
    }
    for change in &plan.moves {
        for id in change.adding() {
            let broker = model.find_broker(id).unwrap();
            assert!(model.broker(broker).counts(), "{id} may not get anything");
            let utilisation = after.utilisation(broker);
            for r in Resource::ALL {
                assert!(utilisation[r] <= settings.headroom + 1e-9 || !gained(model, &after, broker, r));
            }
        }
    }
    assert!(
        plan.bytes >= plan.bytes_lower_bound,
        "{} < {}",
        plan.bytes,
        plan.bytes_lower_bound
    );
    assert_eq!(plan.bytes, plan.moves.iter().map(|m| m.bytes).sum::<u64>());
    if !model
        .brokers()
        .any(|b| model.broker(b).state == BrokerState::Draining)
    {
        let stated = &plan.imbalance_after;
        let real = after.imbalance();
        for (stated, real) in [
            (stated.bytes_in, real.bytes_in),
            (stated.bytes_out, real.bytes_out),
            (stated.cpu, real.cpu),
            (stated.disk, real.disk),
        ] {
            assert!((stated - real).abs() < 1e-6, "stated {stated}, is {real}");
        }
    }
}

fn staying_racks(model: &Model) -> usize {
    let staying = model.brokers().filter(|&b| model.broker(b).counts());
    staying.map(|b| model.rack(b)).collect::<HashSet<u32>>().len()
}

fn gained(model: &Model, after: &Model, broker: crate::model::BrokerIndex, r: Resource) -> bool {
    after.broker_load(broker)[r] > model.broker_load(broker)[r] * (1.0 + 1e-9)
}

fn instances() -> impl Strategy<Value = Instance> {
    (
        3_usize..12,
        2_usize..5,
        30_usize..400,
        0.0..1.2_f64,
        0.2..0.75_f64,
        any::<u64>(),
        0_usize..4,
        1_usize..5,
    )
        .prop_map(
            |(brokers, racks, partitions, exponent, utilisation, seed, kind, replication)| Instance {
                brokers: brokers + 2,
                racks,
                partitions,
                topics_exponent: exponent,
                utilisation,
                seed,
                new: usize::from(kind == 1),
                draining: usize::from(kind == 2),
                unequal: kind == 3,
                replication,
                id_step: 1 + (seed % 3) as usize * 7,
                hot: (seed % 4 == 0).then_some(0.7),
                ..Instance::default()
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_plan_keeps_the_constraints_and_states_what_it_leaves(instance in instances()) {
        let model = instance.model();
        assert_constraints(&model, &planned(&model));
    }

    #[test]
    fn no_plan_makes_the_worst_imbalance_worse(instance in instances()) {
        let model = Instance { draining: 0, new: 0, ..instance }.model();
        let plan = planned(&model);
        // A little of one resource may be given for much of another, but never of the worst.
        let worst = |model: &Model| Resource::ALL.iter().fold(0.0_f64, |worst, &r| worst.max(model.imbalance()[r]));
        let (before, after) = (worst(&model), worst(&applied(&model, &plan)));
        let within = 1.0 + PlanSettings::default().threshold;
        prop_assert!(after <= before.max(within) + 1e-9, "{before} to {after}");
    }

    #[test]
    fn a_second_plan_on_the_result_of_one_that_solves_everything_gains_nothing_to_speak_of(instance in instances()) {
        let model = Instance { draining: 0, new: 0, ..instance }.model();
        let plan = planned(&model);
        if plan.unsolved.is_empty() {
            let second = planned(&applied(&model, &plan));
            let gain: f64 = second.moves.iter().map(|change| change.gain).sum();
            prop_assert!(gain < 1e-3, "{second:?}");
        }
    }

    #[test]
    fn no_placement_is_below_the_bound_on_imbalance(instance in instances()) {
        let model = instance.model();
        let plan = planned(&model);
        let (least, after) = (&plan.imbalance_lower_bound, &plan.imbalance_after);
        // A rack that has no room lets a drained replica go to another, and racks are what the bound goes by.
        if plan.unsolved.iter().all(|why| !why.contains("stays")) && instance.draining == 0 {
            prop_assert!(after.bytes_in >= least.bytes_in * (1.0 - 1e-9), "{plan:?}");
            prop_assert!(after.bytes_out >= least.bytes_out * (1.0 - 1e-9), "{plan:?}");
            prop_assert!(after.cpu >= least.cpu * (1.0 - 1e-9), "{plan:?}");
            prop_assert!(after.disk >= least.disk * (1.0 - 1e-9), "{plan:?}");
        }
    }

    #[test]
    fn more_searches_leave_no_more_and_copy_no_more(instance in instances()) {
        let model = instance.model();
        let with = |searches: u32| {
            let request = request(&model, Purpose::of_states(&model));
            let searches = std::num::NonZeroU32::new(searches).unwrap();
            let settings = PlanSettings { searches, ..request.settings.clone() };
            let request = PlanRequest { settings, ..request };
            let found = portfolio::best(&request).placement;
            ((found.ledger.total_price() * 1e3).round() as u64, (found.bytes_copied() / 1e6).round() as u64)
        };
        let (one, five) = (with(1), with(5));
        prop_assert!(five <= one, "{five:?} after five, {one:?} after one");
    }

    #[test]
    fn the_same_request_gives_the_same_plan(instance in instances()) {
        prop_assert_eq!(planned(&instance.model()), planned(&instance.model()));
    }

    #[test]
    fn a_drained_broker_ends_without_replicas_or_the_plan_says_which_stay(instance in instances()) {
        let model = Instance { draining: 1, new: 0, ..instance }.model();
        let plan = planned(&model);
        let after = applied(&model, &plan);
        let drained = crate::model::BrokerIndex(0);
        let left = after.partitions().filter(|&row| after.replicas(row).contains(&drained)).count();
        prop_assert!(left == 0 || plan.unsolved.iter().any(|why| why.contains("stays on broker 0")), "{plan:?}");
    }
}
