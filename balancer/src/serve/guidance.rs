//! What the load says about a plan that is being made: pure.

use std::collections::BTreeMap;

use kafka::ids::{BrokerId, TopicPartition};

use crate::execute::{Guidance, Headroom};
use crate::journal::{MoveProgress, MoveState, PlanHead};
use crate::model::{BrokerState, Model};
use crate::observe::BrokerReport;
use crate::plan::{Foresight, Move, PlanSettings, Purpose};

/// Gathers what the executor has to know of the load: what brokers can spare, what they carry now (`model`), which moves
/// no longer help under the load that plans are made for (`planned`), how full disks are and how far copies have come.
pub(super) fn guidance<'a>(
    headroom: BTreeMap<BrokerId, Headroom>,
    model: &Model,
    planned: &Model,
    reports: &BTreeMap<BrokerId, BrokerReport>,
    plan: Option<(&PlanHead, impl Iterator<Item = &'a MoveProgress>)>,
    settings: &PlanSettings,
) -> Guidance {
    let mut guidance = Guidance {
        headroom,
        usable_bytes: model
            .brokers()
            .map(|row| model.broker(row))
            .filter_map(|broker| Some((broker.id, broker.room? as u64)))
            .collect(),
        ..Guidance::default()
    };
    let Some((head, moves)) = plan else {
        return guidance;
    };
    let mut copying = BTreeMap::new();
    let mut foresight = Foresight::new(planned, settings);
    for MoveProgress { change, state, .. } in moves {
        if let Some(row) = model.find(&change.partition) {
            guidance
                .produced
                .insert(change.partition.clone(), model.load(row).bytes_in);
        }
        match state {
            MoveState::Waiting if let Some(why) = useless(model, &mut foresight, change, &head.purpose) => {
                guidance.useless.insert(change.partition.clone(), why);
            }
            MoveState::Asked { .. } | MoveState::Copying { .. } => {
                foresight.take(change);
                copying.insert(change.partition.clone(), change.adding().collect::<Vec<_>>());
            }
            MoveState::Electing { .. } => foresight.take(change),
            _ => {}
        }
    }
    guidance.copied = copied(reports, &copying);
    guidance
}

/// Why a change that has not begun should not, if it should not.
fn useless(model: &Model, foresight: &mut Foresight<'_>, change: &Move, purpose: &Purpose) -> Option<String> {
    let takes_nothing = |id: &BrokerId| {
        let broker = model.find_broker(*id).map(|row| model.broker(row));
        broker.is_some_and(|broker| broker.excluded || broker.state == BrokerState::Draining)
    };
    if let Some(broker) = change.adding().find(takes_nothing) {
        return Some(format!("broker {broker} is to be emptied or left alone by now"));
    }
    let helps = helps(foresight, change, purpose);
    (!helps).then(|| "under the load of now it would not make the cluster better".to_owned())
}

/// A broker is emptied or filled, and a topic gets more or fewer replicas, because somebody decided so, whatever the load.
fn helps(foresight: &mut Foresight<'_>, change: &Move, purpose: &Purpose) -> bool {
    match purpose {
        Purpose::Drain(_) | Purpose::Fill(_) | Purpose::Replicate(_) => true,
        Purpose::Cool | Purpose::Rebalance => foresight.still_helps(change),
    }
}

/// Bytes that the brokers being added hold of each partition, as their reports say.
fn copied(
    reports: &BTreeMap<BrokerId, BrokerReport>,
    copying: &BTreeMap<TopicPartition, Vec<BrokerId>>,
) -> BTreeMap<TopicPartition, u64> {
    let mut copied = BTreeMap::new();
    for (broker, known) in reports {
        let wanted: Vec<&TopicPartition> = copying
            .iter()
            .filter(|(_, adding)| adding.contains(broker))
            .map(|(name, _)| name)
            .collect();
        let Some(report) = known.report.as_ref().filter(|_| !wanted.is_empty()) else {
            continue;
        };
        let columns = &report.replicas;
        for row in 0..columns.topic.len() {
            let topic = &report.topics[columns.topic[row] as usize];
            let is_this =
                |name: &&&TopicPartition| name.partition == columns.partition[row] && name.topic == *topic;
            if let Some(name) = wanted.iter().find(is_this) {
                let bytes: &mut u64 = copied.entry((*name).clone()).or_default();
                *bytes = bytes.saturating_add(columns.size[row]);
            }
        }
    }
    copied
}
