//! Plans and their bounds against the optimum, on clusters so small that every placement can be tried.

use proptest::prelude::*;

use super::*;

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
