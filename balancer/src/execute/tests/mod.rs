//! Execution as a whole, against a simulated cluster, and each rule by itself.

mod bench;
mod conduct;
mod journal;
mod pacing;
mod replication;
mod safety;
mod steering;
mod story;
mod sweep;
mod windows;

use std::collections::BTreeMap;

use kafka::ids::{BrokerId, TopicName, TopicPartition};

use crate::plan::{Imbalance, Move, Plan, Purpose};

fn broker(id: i32) -> BrokerId {
    BrokerId::try_from(id).unwrap()
}

fn brokers(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().copied().map(broker).collect()
}

fn topic(name: &str) -> TopicName {
    name.parse().unwrap()
}

fn partition(name: &str, number: i32) -> TopicPartition {
    TopicPartition::new(topic(name), number.try_into().unwrap())
}

fn a_move(
    partition: TopicPartition,
    topic_id: [u8; 16],
    from: &[BrokerId],
    to: &[BrokerId],
    bytes: u64,
) -> Move {
    let mut planned = Move {
        partition,
        topic_id,
        from: from.to_vec(),
        from_leader: from.first().copied(),
        to: to.to_vec(),
        reason: "broker 0 receives 40 % more than the mean".to_owned(),
        bytes: 0,
        gain: 0.1,
        expected_seconds: 1.0,
    };
    planned.bytes = bytes * planned.adding().count() as u64;
    planned
}

fn a_plan(moves: Vec<Move>) -> Plan {
    let imbalance = |n| Imbalance {
        bytes_in: n,
        bytes_out: n,
        cpu: n,
        disk: n,
    };
    Plan {
        purpose: Purpose::Cool,
        bytes: moves.iter().map(|planned| planned.bytes).sum(),
        bytes_lower_bound: 0,
        copy_rate: 50e6,
        copy_seconds: 0.0,
        moves,
        imbalance_before: imbalance(1.4),
        imbalance_after: imbalance(1.05),
        imbalance_lower_bound: imbalance(1.0),
        left_out: Vec::new(),
        unsolved: Vec::new(),
    }
}

fn no_configs() -> BTreeMap<String, String> {
    BTreeMap::new()
}
