//! What a plan promises, on generated clusters and on tiny ones.

use std::collections::{HashMap, HashSet};

use crate::instances::Instance;
use kafka::ids::{BrokerId, TopicName, TopicPartition};
use proptest::prelude::*;

use super::*;
use crate::model::{Broker, BrokerState, Builder, Model, PartitionLoad, PartitionRow, PerResource, Topic};

fn request(model: &Model, purpose: Purpose) -> PlanRequest<'_> {
    PlanRequest {
        model,
        purpose,
        settings: PlanSettings::default(),
    }
}

fn planned(model: &Model) -> Plan {
    plan(&request(model, Purpose::of_states(model)))
}

/// The cluster after the plan, made anew from its rows.
fn applied(model: &Model, plan: &Plan) -> Model {
    let moves: HashMap<&TopicPartition, &Move> = plan.moves.iter().map(|m| (&m.partition, m)).collect();
    assert_eq!(moves.len(), plan.moves.len(), "a partition is in the plan twice");
    let mut builder = Builder::default();
    for row in model.brokers() {
        builder.broker(model.broker(row).clone());
    }
    for row in model.partitions() {
        let name = model.name(row);
        let topic = builder.topic(&name.topic, || model.topic(model.topic_of(row)).clone());
        let before: Vec<BrokerId> = model.replicas(row).iter().map(|&b| model.broker(b).id).collect();
        let (replicas, leader) = match moves.get(&name) {
            Some(change) => {
                assert_eq!(change.from, before);
                (change.to.clone(), change.to.first().copied())
            }
            None => (before, model.leader(row).map(|b| model.broker(b).id)),
        };
        let row = PartitionRow {
            topic,
            number: name.partition,
            leader,
            replicas: &replicas,
            load: *model.load(row),
            immovable: false,
        };
        builder.partition(&row).unwrap();
    }
    builder.build().unwrap()
}

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
    fn a_second_plan_on_the_result_of_one_that_solves_everything_is_empty(instance in instances()) {
        let model = Instance { draining: 0, new: 0, ..instance }.model();
        let plan = planned(&model);
        if plan.unsolved.is_empty() {
            prop_assert_eq!(planned(&applied(&model, &plan)).moves, vec![]);
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

fn cluster(brokers: usize, rows: &[(&[i32], PartitionLoad)]) -> Model {
    cluster_with(brokers, rows, false)
}

fn cluster_with(brokers: usize, rows: &[(&[i32], PartitionLoad)], excluded: bool) -> Model {
    let mut builder = Builder::default();
    for id in 0..brokers as i32 {
        builder.broker(Broker {
            id: id.try_into().unwrap(),
            rack: None,
            state: BrokerState::Alive,
            capacity: PerResource::splat(100.0),
            room: None,
            excluded: false,
        });
    }
    let name: TopicName = "t".parse().unwrap();
    let topic = builder.topic(&name, || Topic {
        name: name.clone(),
        id: [0; 16],
        excluded,
        min_isr: 1,
    });
    for (number, (replicas, load)) in rows.iter().enumerate() {
        let replicas: Vec<BrokerId> = replicas.iter().map(|&id| id.try_into().unwrap()).collect();
        let row = PartitionRow {
            topic,
            number: (number as i32).try_into().unwrap(),
            leader: Some(replicas[0]),
            replicas: &replicas,
            load: *load,
            immovable: false,
        };
        builder.partition(&row).unwrap();
    }
    builder.build().unwrap()
}

fn sends(bytes_out: f64) -> PartitionLoad {
    PartitionLoad {
        bytes_out,
        disk: 1.0,
        ..PartitionLoad::default()
    }
}

fn takes(bytes_in: f64, disk: f64) -> PartitionLoad {
    PartitionLoad {
        bytes_in,
        disk,
        ..PartitionLoad::default()
    }
}

#[test]
fn where_leaders_suffice_no_byte_moves() {
    let model = cluster(
        3,
        &[
            (&[0, 1], sends(20.0)),
            (&[0, 2], sends(20.0)),
            (&[0, 1], sends(20.0)),
        ],
    );
    let plan = planned(&model);
    assert_eq!((plan.bytes, plan.bytes_lower_bound, plan.moves.len()), (0, 0, 2));
    assert!((plan.imbalance_before.bytes_out - 3.0).abs() < 1e-9);
    assert!((plan.imbalance_after.bytes_out - 1.0).abs() < 1e-9);
    assert!(
        plan.moves[0].reason.contains("off broker 0 (300 % of mean)"),
        "{}",
        plan.moves[0].reason
    );
}

#[test]
fn an_excluded_topic_moves_off_a_broker_that_is_drained_and_not_otherwise() {
    let rows: [(&[i32], PartitionLoad); 3] = [
        (&[0], takes(40.0, 1.0)),
        (&[0], takes(40.0, 1.0)),
        (&[1], takes(1.0, 1.0)),
    ];
    let model = cluster_with(3, &rows, true);
    assert_eq!(plan(&request(&model, Purpose::Cool)).moves, []);
    let drained = BrokerId::try_from(1).unwrap();
    let plan = plan(&request(&model, Purpose::Drain(vec![drained])));
    assert_eq!(plan.unsolved.iter().find(|why| why.contains("stays on")), None);
    assert_eq!(plan.moves.len(), 1, "{plan:?}");
    assert_eq!(plan.moves[0].from, [drained]);
}

#[test]
fn a_partition_too_large_for_every_broker_is_not_moved() {
    let model = cluster(
        4,
        &[
            (&[0], takes(80.0, 30.0)),
            (&[0], takes(5.0, 10.0)),
            (&[1], takes(10.0, 10.0)),
            (&[2], takes(10.0, 10.0)),
            (&[3], takes(10.0, 10.0)),
        ],
    );
    let settings = PlanSettings {
        floor: PerResource {
            disk: 0.9,
            ..PerResource::splat(0.1)
        },
        ..PlanSettings::default()
    };
    let plan = plan(&PlanRequest {
        settings,
        ..request(&model, Purpose::Cool)
    });
    assert_eq!(plan.moves, []);
    assert!(
        plan.unsolved[0].contains("t-0") && plan.unsolved[0].contains("partitions would"),
        "{plan:?}"
    );
}

#[test]
fn beside_a_partition_too_large_nothing_is_left_that_can_lead_elsewhere() {
    // The first takes 60 of the 100 that all four brokers send.
    let model = cluster(
        4,
        &[
            (&[0, 1], sends(60.0)),
            (&[0, 2], sends(20.0)),
            (&[2, 3], sends(10.0)),
            (&[3, 1], sends(10.0)),
        ],
    );
    let plan = planned(&model);
    assert_eq!(plan.bytes, 0);
    assert!((plan.imbalance_before.bytes_out - 3.2).abs() < 1e-9);
    assert!((plan.imbalance_after.bytes_out - 2.4).abs() < 1e-9, "{plan:?}");
    assert!(plan.unsolved[0].contains("t-0"), "{plan:?}");
}

#[test]
fn the_followers_of_a_partition_that_sends_too_much_still_move() {
    let busy = PartitionLoad {
        bytes_in: 20.0,
        bytes_out: 40.0,
        disk: 1.0,
        ..PartitionLoad::default()
    };
    let model = cluster(4, &[(&[0, 1], busy), (&[1, 0], busy)]);
    let plan = planned(&model);
    assert!((plan.imbalance_before.bytes_in - 2.0).abs() < 1e-9);
    assert!((plan.imbalance_after.bytes_in - 1.0).abs() < 1e-9, "{plan:?}");
    assert_eq!((plan.bytes, plan.replica_moves()), (2, 2));
    for change in &plan.moves {
        assert_eq!(change.from_leader, change.to.first().copied());
    }
}

#[test]
fn a_broker_within_the_threshold_is_left_alone_and_one_beyond_it_is_brought_to_the_target() {
    let rows: Vec<(&[i32], PartitionLoad)> = vec![
        (&[0], takes(14.0, 1.0)),
        (&[0], takes(2.0, 1.0)),
        (&[0], takes(2.0, 1.0)),
        (&[0], takes(2.0, 1.0)),
        (&[1], takes(16.3, 1.0)),
        (&[2], takes(12.0, 1.0)),
        (&[3], takes(11.7, 1.0)),
    ];
    let model = cluster(4, &rows);
    let settings = PlanSettings {
        target: 0.05,
        floor: PerResource {
            disk: 1.0,
            ..PerResource::splat(0.1)
        },
        ..PlanSettings::default()
    };
    let plan = plan(&PlanRequest {
        settings,
        ..request(&model, Purpose::Cool)
    });
    let after = applied(&model, &plan);
    let load: Vec<f64> = after
        .brokers()
        .map(|row| after.broker_load(row).bytes_in)
        .collect();
    // The mean is 15: broker 1 carries 109 % of it, and broker 0 carried 133 %.
    assert_eq!(load[1], 16.3);
    assert!(load[0] <= 15.75, "{load:?}");
    assert_eq!(plan.bytes, 3);
}

#[test]
fn a_move_helps_until_the_heat_is_gone() {
    let hot = cluster(2, &[(&[0], takes(20.0, 10.0)), (&[0], takes(20.0, 10.0))]);
    let cool = hot.with_loads(|_| takes(1.0, 1.0));
    let change = &planned(&hot).moves[0];
    let still_helps = |model| Foresight::new(model, &PlanSettings::default()).still_helps(change);
    assert!(still_helps(&hot));
    assert!(!still_helps(&cool));
    assert!(!still_helps(&applied(&hot, &planned(&hot))));
}

#[test]
fn kafkas_json_names_only_what_changes() {
    let model = cluster(
        3,
        &[
            (&[0, 1], sends(30.0)),
            (&[0, 2], sends(30.0)),
            (&[1, 2], sends(30.0)),
        ],
    );
    let json = output::kafka(&planned(&model)).unwrap();
    assert_eq!(
        json,
        r#"{"version":1,"partitions":[{"topic":"t","partition":1,"replicas":[2,0]}]}"#
    );
}

/// All sets of replicas of the tiny cluster's partitions, with leaders.
fn all_placements(brokers: u32, size: usize) -> Vec<Vec<u32>> {
    match size {
        1 => (0..brokers).map(|a| vec![a]).collect(),
        _ => (0..brokers)
            .flat_map(|a| (0..brokers).filter(move |&b| b != a).map(move |b| vec![a, b]))
            .collect(),
    }
}

/// The fewest bytes with which any placement leaves every broker within the greater of its limit and `after`.
fn fewest_bytes(model: &Model, ledger: &ledger::Ledger, after: &Model) -> f64 {
    let choices: Vec<Vec<Vec<u32>>> = model
        .partitions()
        .map(|row| all_placements(model.brokers().len() as u32, model.replicas(row).len()))
        .collect();
    let mut best = f64::INFINITY;
    let mut chosen = vec![0; choices.len()];
    loop {
        let mut loads = vec![PerResource::default(); model.brokers().len()];
        let mut bytes = 0.0;
        for (row, &choice) in model.partitions().zip(&chosen) {
            for (slot, &broker) in choices[row.get()][choice].iter().enumerate() {
                loads[broker as usize] += model.load(row).on_replica(slot == 0);
                if !model.replicas(row).iter().any(|old| old.0 == broker) {
                    bytes += model.load(row).disk;
                }
            }
        }
        let allowed = |row: crate::model::BrokerIndex| {
            Resource::ALL.iter().all(|&r| {
                let limit = ledger.limit[row.get()][r].max(after.broker_load(row)[r]);
                ledger.scale[row.get()][r] == 0.0 || loads[row.get()][r] <= limit + 1e-9
            })
        };
        if bytes < best && model.brokers().all(allowed) {
            best = bytes;
        }
        let Some(digit) = (0..chosen.len()).find(|&d| chosen[d] + 1 < choices[d].len()) else {
            return best;
        };
        chosen[digit] += 1;
        chosen[..digit].fill(0);
    }
}

#[test]
fn a_copy_goes_only_where_the_fullest_log_directory_has_room() {
    let rows: Vec<(&[i32], PartitionLoad)> = vec![
        (&[0], takes(20.0, 10.0)),
        (&[0], takes(20.0, 10.0)),
        (&[0], takes(20.0, 10.0)),
    ];
    let free = cluster(3, &rows);
    let went_to = |model: &Model| -> Vec<i32> {
        let moves = planned(model).moves;
        moves
            .iter()
            .flat_map(|change| change.adding())
            .map(|id| id.get())
            .collect()
    };
    let mut hosts = went_to(&free);
    hosts.sort_unstable();
    assert_eq!(hosts, [1, 2]);
    let with_room = |room: [f64; 3]| {
        let mut builder = Builder::default();
        for (row, room) in free.brokers().zip(room) {
            builder.broker(Broker {
                room: Some(room),
                ..free.broker(row).clone()
            });
        }
        let topic = free.topic(free.topics().next().unwrap());
        let index = builder.topic(&topic.name, || topic.clone());
        for row in free.partitions() {
            let replicas: Vec<BrokerId> = free.replicas(row).iter().map(|&b| free.broker(b).id).collect();
            builder
                .partition(&PartitionRow {
                    topic: index,
                    number: free.number(row),
                    leader: replicas.first().copied(),
                    replicas: &replicas,
                    load: *free.load(row),
                    immovable: false,
                })
                .unwrap();
        }
        builder.build().unwrap()
    };
    assert_eq!(went_to(&with_room([100.0, 9.0, 15.0])), [2]);
    assert_eq!(went_to(&with_room([100.0, 9.0, 9.0])), [0; 0]);
}

#[test]
fn a_copy_that_heat_of_seconds_does_not_pay_for_is_left_out_and_named() {
    let model = cluster(
        2,
        &[
            (&[0], takes(20.0, 40.0)),
            (&[0], takes(20.0, 40.0)),
            (&[1], takes(1.0, 40.0)),
        ],
    );
    let after = |seconds: u64| {
        let hot = BrokerId::try_from(0).unwrap();
        let settings = PlanSettings {
            hot_for: Some([(hot, std::time::Duration::from_secs(seconds))].into()),
            throttle: 1.0,
            ..PlanSettings::default()
        };
        plan(&PlanRequest {
            settings,
            ..request(&model, Purpose::Cool)
        })
    };
    let soon = after(10);
    assert_eq!(soon.moves, []);
    let left = &soon.left_out[0];
    assert_eq!((left.broker.get(), left.bytes), (0, 40));
    assert!(left.reason.contains("copying takes 40 s"), "{}", left.reason);
    assert!(
        output::table(&soon).contains("left out: t-"),
        "{}",
        output::table(&soon)
    );
    assert_eq!(after(1_000).replica_moves(), 1);
}

#[test]
fn a_rack_that_is_too_small_is_named_and_its_brokers_do_not_exchange_bytes_in_vain() {
    let plan = planned(
        &Instance {
            brokers: 8,
            racks: 3,
            draining: 1,
            utilisation: 0.3,
            ..Instance::default()
        }
        .model(),
    );
    let why = plan
        .unsolved
        .iter()
        .find(|why| why.contains("only more capacity there would help"));
    assert!(
        why.is_some_and(|why| why.contains("rack r0 carries 117 %")),
        "{:?}",
        plan.unsolved
    );
    assert!(
        (plan.imbalance_lower_bound.disk - 7.0 / 6.0).abs() < 1e-6,
        "{plan:?}"
    );
    assert!(
        plan.imbalance_after.disk <= 1.05 * plan.imbalance_lower_bound.disk,
        "{plan:?}"
    );
}

#[test]
fn a_cluster_of_one_broker_has_no_plan() {
    let plan = planned(&cluster(1, &[(&[0], takes(50.0, 10.0)), (&[0], takes(1.0, 1.0))]));
    assert_eq!((plan.moves.len(), plan.bytes, plan.unsolved.len()), (0, 0, 0));
}

/// How far plans of tiny clusters are from the optimum, and the bound from it: quantiles of both, printed.
#[test]
fn plans_of_tiny_clusters_are_close_to_the_optimum() {
    use rand::{RngExt, SeedableRng};
    let mut random = rand_pcg::Pcg64Mcg::seed_from_u64(5);
    let (mut plans, mut bounds) = (Vec::new(), Vec::new());
    for _ in 0..300 {
        let places = all_placements(3, 2);
        let rows: Vec<(Vec<i32>, PartitionLoad)> = (0..5)
            .map(|_| {
                let place = &places[random.random_range(0..places.len())];
                let (bytes_in, bytes_out) = (random.random_range(1.0..12.0), random.random_range(0.0..12.0));
                let load = PartitionLoad {
                    bytes_in,
                    bytes_out,
                    disk: random.random_range(1.0..12.0),
                    cpu_leader: bytes_in + bytes_out,
                    cpu_follower: bytes_in,
                };
                (place.iter().map(|&b| b as i32).collect(), load)
            })
            .collect();
        let borrowed: Vec<(&[i32], PartitionLoad)> = rows.iter().map(|(r, l)| (r.as_slice(), *l)).collect();
        let model = cluster(3, &borrowed);
        let plan = planned(&model);
        let ledger = ledger::Ledger::new(&model, &plan.purpose, &PlanSettings::default());
        let fewest = fewest_bytes(&model, &ledger, &applied(&model, &plan));
        assert!(plan.bytes_lower_bound as f64 <= fewest + 1e-6 && fewest <= plan.bytes as f64 + 5.0);
        if fewest > 0.0 {
            // A plan counts whole bytes of each copy, the optimum does not.
            plans.push((plan.bytes as f64 / fewest.ceil()).max(1.0));
            bounds.push(plan.bytes_lower_bound as f64 / fewest);
        }
    }
    for (what, ratios) in [("plan / optimum", &mut plans), ("bound / optimum", &mut bounds)] {
        ratios.sort_by(f64::total_cmp);
        let at = |part: f64| ratios[((ratios.len() - 1) as f64 * part) as usize];
        println!(
            "{what}, {} clusters: 10 % {:.2}, median {:.2}, 90 % {:.2}, most {:.2}",
            ratios.len(),
            at(0.1),
            at(0.5),
            at(0.9),
            at(1.0)
        );
    }
    assert!(plans[plans.len() / 2] <= 1.1, "{plans:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_placement_of_the_same_result_copies_fewer_bytes_than_the_bound(
        rows in prop::collection::vec((0_usize..6, 1.0..25.0_f64, 0.0..25.0_f64, 1.0..25.0_f64), 2..6),
        single in any::<bool>(),
    ) {
        let rows: Vec<(Vec<i32>, PartitionLoad)> = rows.into_iter().map(|(place, bytes_in, bytes_out, disk)| {
            let places = all_placements(3, if single { 1 } else { 2 });
            let replicas = places[place % places.len()].iter().map(|&b| b as i32).collect();
            let load = PartitionLoad { bytes_in, bytes_out, disk, cpu_leader: bytes_in + bytes_out, cpu_follower: bytes_in };
            (replicas, load)
        }).collect();
        let borrowed: Vec<(&[i32], PartitionLoad)> = rows.iter().map(|(r, l)| (r.as_slice(), *l)).collect();
        let model = cluster(3, &borrowed);
        let plan = planned(&model);
        let ledger = ledger::Ledger::new(&model, &plan.purpose, &PlanSettings::default());
        let fewest = fewest_bytes(&model, &ledger, &applied(&model, &plan));
        prop_assert!(plan.bytes_lower_bound as f64 <= fewest + 1e-6, "{} > {fewest}", plan.bytes_lower_bound);
        prop_assert!(plan.bytes_lower_bound <= plan.bytes);
    }
}
