use kafka::cluster::{self, Topic as KafkaTopic};
use kafka::ids::PartitionId;
use sidecar::report::{Confidence, ConfidenceCode, ReplicaColumns, VERSION, Volume};

use super::*;

fn id(broker: i32) -> BrokerId {
    broker.try_into().unwrap()
}

fn description() -> ClusterDescription {
    let partition = |number: i32, leader: i32, replicas: [i32; 2]| Partition {
        id: number.try_into().unwrap(),
        leader: Some(id(leader)),
        replicas: replicas.map(id).into(),
        in_sync: replicas.map(id).into(),
    };
    ClusterDescription {
        cluster_id: "c".to_owned(),
        controller: None,
        brokers: [1, 2, 3]
            .map(|broker| cluster::Broker {
                id: id(broker),
                host: "h".to_owned(),
                port: 9092,
                rack: None,
            })
            .into(),
        topics: vec![KafkaTopic {
            name: "orders".parse().unwrap(),
            id: [7; 16],
            partitions: vec![partition(0, 1, [1, 2]), partition(1, 2, [2, 4])],
        }],
    }
}

/// A report of `broker`; each replica is (partition, leads, bytes_in, bytes_out).
fn report(broker: i32, cores_used: f64, rows: &[(i32, bool, u64, u64)]) -> BrokerReport {
    let exact = ConfidenceCode(Confidence::Exact);
    let number = |row: &(i32, bool, u64, u64)| PartitionId::try_from(row.0).unwrap();
    let report = LoadReport {
        version: VERSION,
        cluster_id: None,
        broker: id(broker),
        sampled_at_ms: 1,
        window_ms: 5000,
        sources: BTreeMap::new(),
        totals: BrokerTotals {
            cpu_cores_used: Some(cores_used),
            cpu_cores: Some(4.0),
            ..BrokerTotals::default()
        },
        log_dirs: vec![Volume {
            path: "/d".to_owned(),
            used_bytes: 300,
            total_bytes: Some(1000),
            usable_bytes: Some(500),
        }],
        topics: vec!["orders".parse().unwrap()],
        replicas: ReplicaColumns {
            topic: vec![0; rows.len()],
            partition: rows.iter().map(number).collect(),
            leads: rows.iter().map(|row| u8::from(row.1)).collect(),
            size: vec![100; rows.len()],
            bytes_in: rows.iter().map(|row| row.2).collect(),
            bytes_out: rows.iter().map(|row| row.3).collect(),
            records_in: vec![0; rows.len()],
            bytes_in_confidence: vec![exact; rows.len()],
            bytes_out_confidence: vec![exact; rows.len()],
        },
    };
    BrokerReport {
        report: Some(report),
        source: BrokerSource::Sidecar { sampled_at_ms: 1 },
    }
}

fn merge(merger: &mut Merger, reports: &BTreeMap<BrokerId, BrokerReport>, draining: &[i32]) -> Model {
    let capacity = kafka::settings::parse::<CapacitySettings>("", "test").unwrap();
    let look = Look {
        description: &description(),
        reports,
        draining: &draining.iter().copied().map(id).collect(),
        foreign: &BTreeSet::from([TopicPartition::new(
            "orders".parse().unwrap(),
            1.try_into().unwrap(),
        )]),
        capacity: &capacity,
        exclude: &Exclusions::default(),
        journal: &"journal".parse().unwrap(),
    };
    merger.merge(&look).unwrap().model
}

fn load(model: &Model, number: i32) -> PartitionLoad {
    let name = TopicPartition::new("orders".parse().unwrap(), number.try_into().unwrap());
    *model.load(model.find(&name).unwrap())
}

#[test]
fn a_leader_sends_to_consumers_and_to_every_follower_in_sync() {
    let reports = BTreeMap::from([(id(1), report(1, 1.0, &[(0, true, 1000, 300)]))]);
    let model = merge(&mut Merger::default(), &reports, &[]);
    assert_eq!(
        (load(&model, 0).bytes_in, load(&model, 0).bytes_out),
        (1000.0, 1300.0)
    );
    assert_eq!(load(&model, 0).disk, 100.0);
}

#[test]
fn the_leaders_report_counts_even_when_the_one_before_still_says_that_it_leads() {
    let reports = BTreeMap::from([
        (id(1), report(1, 1.0, &[(0, true, 1000, 0)])),
        (id(2), report(2, 1.0, &[(0, true, 7, 0)])),
    ]);
    assert_eq!(
        load(&merge(&mut Merger::default(), &reports, &[]), 0).bytes_in,
        1000.0
    );
}

#[test]
fn a_leader_that_is_not_heard_keeps_the_load_that_was_known_last() {
    let mut merger = Merger::default();
    let known = BTreeMap::from([(id(1), report(1, 1.0, &[(0, true, 1000, 300)]))]);
    let seen = merge(&mut merger, &known, &[]);
    let silent = BrokerReport {
        report: None,
        source: BrokerSource::Unknown {
            reason: "down".to_owned(),
        },
    };
    for _ in 0..2 {
        let unseen = merge(&mut merger, &BTreeMap::from([(id(1), silent.clone())]), &[]);
        assert_eq!(load(&unseen, 0), load(&seen, 0));
        let broker = |model: &Model| model.broker(model.find_broker(id(1)).unwrap()).clone();
        assert_eq!(broker(&unseen), broker(&seen));
    }
}

#[test]
fn a_partition_of_which_nobody_has_ever_told_the_size_stays_where_it_is() {
    let name = TopicPartition::new("orders".parse().unwrap(), 0.try_into().unwrap());
    let is_immovable = |model: &Model| model.is_immovable(model.find(&name).unwrap());
    let mut merger = Merger::default();
    for _ in 0..2 {
        assert!(is_immovable(&merge(&mut merger, &BTreeMap::new(), &[])));
    }
    let known = BTreeMap::from([(id(1), report(1, 1.0, &[(0, true, 1000, 300)]))]);
    assert!(!is_immovable(&merge(&mut merger, &known, &[])));
    assert!(!is_immovable(&merge(&mut merger, &BTreeMap::new(), &[])));
}

#[test]
fn a_brokers_measured_processor_time_is_divided_over_its_replicas() {
    let reports = BTreeMap::from([
        (id(1), report(1, 1.5, &[(0, true, 1000, 0)])),
        (id(2), report(2, 1.0, &[(0, false, 0, 0), (1, true, 800, 0)])),
    ]);
    let model = merge(&mut Merger::default(), &reports, &[]);
    let carried = |broker| model.broker_load(model.find_broker(id(broker)).unwrap()).cpu;
    assert!((carried(1) - 1.5).abs() < 1e-9);
    assert!((carried(2) - 1.0).abs() < 1e-9);
}

#[test]
fn brokers_are_alive_new_draining_or_dead_as_kafka_and_the_drains_say() {
    let reports = BTreeMap::from([(id(1), report(1, 1.0, &[]))]);
    let model = merge(&mut Merger::default(), &reports, &[2]);
    let state = |broker| model.broker(model.find_broker(id(broker)).unwrap()).state;
    assert_eq!(
        [state(1), state(2), state(3), state(4)],
        [
            BrokerState::Alive,
            BrokerState::Draining,
            BrokerState::New,
            BrokerState::Dead
        ]
    );
    assert_eq!(
        model.broker(model.find_broker(id(1)).unwrap()).capacity.disk,
        800.0
    );
}

#[test]
fn a_partition_that_somebody_else_is_reassigning_stays_where_it_is() {
    let reports = BTreeMap::from([(id(2), report(2, 1.0, &[(0, false, 0, 0), (1, true, 9, 0)]))]);
    let model = merge(&mut Merger::default(), &reports, &[]);
    let immovable: Vec<bool> = model.partitions().map(|row| model.is_immovable(row)).collect();
    assert_eq!(immovable, [false, true]);
}
