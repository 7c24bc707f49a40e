//! What a plan promises.

mod choices;
mod optimum;
mod properties;
mod replicate;

use std::collections::HashMap;

use kafka::ids::{BrokerId, TopicName, TopicPartition};

use super::*;
use crate::model::{
    Broker, BrokerState, Builder, Model, PartitionIndex, PartitionLoad, PartitionRow, PerResource, Topic,
};

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
    remade(model, Broker::clone, |row| {
        let before: Vec<BrokerId> = model.replicas(row).iter().map(|&b| model.broker(b).id).collect();
        match moves.get(&model.name(row)) {
            Some(change) => {
                assert_eq!(change.from, before);
                (change.to.clone(), change.to.first().copied())
            }
            None => (before, model.leader(row).map(|b| model.broker(b).id)),
        }
    })
}

/// A model made anew from its rows, with other brokers, replicas or leaders. A partition without a leader is offline.
fn remade(
    model: &Model,
    broker: impl Fn(&Broker) -> Broker,
    placed: impl Fn(PartitionIndex) -> (Vec<BrokerId>, Option<BrokerId>),
) -> Model {
    let mut builder = Builder::default();
    for row in model.brokers() {
        builder.broker(broker(model.broker(row)));
    }
    for row in model.partitions() {
        let topic = model.topic(model.topic_of(row));
        let (replicas, leader) = placed(row);
        let row = PartitionRow {
            topic: builder.topic(&topic.name, || topic.clone()),
            number: model.number(row),
            leader,
            replicas: &replicas,
            lagging: &[],
            load: *model.load(row),
            immovable: leader.is_none(),
        };
        builder.partition(&row).unwrap();
    }
    builder.build().unwrap()
}

/// A cluster of equal brokers, each in a rack of its own, with one topic.
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
    });
    for (number, (replicas, load)) in rows.iter().enumerate() {
        let replicas: Vec<BrokerId> = replicas.iter().map(|&id| id.try_into().unwrap()).collect();
        let row = PartitionRow {
            topic,
            number: (number as i32).try_into().unwrap(),
            leader: Some(replicas[0]),
            replicas: &replicas,
            lagging: &[],
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
