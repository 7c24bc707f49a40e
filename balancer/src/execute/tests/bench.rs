//! One situation to decide on, and what is decided.

use std::collections::BTreeMap;

use kafka::cluster::{
    Broker, ClusterDescription, ConfigChange, ConfigEntry, ConfigResource, ConfigSource, Each, Partition,
    Reassignment, Topic,
};
use kafka::ids::BrokerId;

use super::{a_move, a_plan, broker, brokers, partition, topic};
use crate::execute::{Change, Guidance, Limits, Seen, Step, decide};
use crate::journal::{
    ExecutionState, MoveProgress, MoveState, Outcome, Phase, PlanHead, PlanId, Record, StopHow, Timestamp,
};
use crate::plan::{Move, Purpose};

pub(super) const ID: [u8; 16] = [1; 16];
pub(super) const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// One situation: topic `t` of brokers 0 to 5, a plan that runs, and nothing else going on.
pub(super) struct Bench {
    pub(super) state: ExecutionState,
    pub(super) partitions: Vec<Partition>,
    pub(super) reassignments: BTreeMap<kafka::TopicPartition, Reassignment>,
    pub(super) configs: Each<ConfigResource, Vec<ConfigEntry>>,
    pub(super) alive: Vec<BrokerId>,
    pub(super) guidance: Guidance,
    pub(super) limits: Limits,
}

impl Bench {
    /// Partition `i` of `t` is to move from `moves[i].0` to `moves[i].1`, 1 GB each copy.
    pub(super) fn moving(moves: &[(&[i32], &[i32])]) -> Self {
        let mut bench = Self {
            state: ExecutionState::default(),
            partitions: Vec::new(),
            reassignments: BTreeMap::new(),
            configs: Each::new(),
            alive: brokers(&[0, 1, 2, 3, 4, 5]),
            guidance: Guidance::default(),
            limits: Limits::default(),
        };
        let plan = a_plan(Vec::new());
        let head = PlanHead {
            purpose: Purpose::Cool,
            phase: Phase::Running,
            created_at: NOW,
            phase_since: NOW,
            imbalance_before: plan.imbalance_before,
            imbalance_after: plan.imbalance_after,
            bytes: 0,
            bytes_lower_bound: 0,
            unsolved: Vec::new(),
        };
        bench.state.apply(Record::Plan(PlanId(1), Some(head)));
        for (place, (from, to)) in (0..).zip(moves) {
            bench.partitions.push(Partition {
                id: i32::try_from(place).unwrap().try_into().unwrap(),
                leader: Some(broker(from[0])),
                replicas: brokers(from),
                in_sync: brokers(from),
            });
            bench.set(place, MoveState::Waiting, from, to);
        }
        bench
            .configs
            .insert(ConfigResource::Topic(topic("t")), Ok(Vec::new()));
        bench.configure(ConfigResource::Topic(topic("t")), "min.insync.replicas", "2");
        for id in bench.alive.clone() {
            bench.configs.insert(ConfigResource::Broker(id), Ok(Vec::new()));
        }
        bench
    }

    pub(super) fn set(&mut self, place: u32, state: MoveState, from: &[i32], to: &[i32]) {
        let number = i32::try_from(place).unwrap();
        let change = a_move(
            partition("t", number),
            ID,
            &brokers(from),
            &brokers(to),
            1_000_000_000,
        );
        let progress = MoveProgress::planned(change).entering(state);
        self.state.apply(Record::Move(PlanId(1), place, Some(progress)));
    }

    pub(super) fn the_move(&self, place: u32) -> &Move {
        &self.state.plans[&PlanId(1)].moves[&place].change
    }

    pub(super) fn configure(&mut self, resource: ConfigResource, name: &str, value: &str) {
        let entry = ConfigEntry {
            name: name.to_owned(),
            value: Some(value.to_owned()),
            source: ConfigSource::Dynamic,
        };
        let entries = self.configs.get_mut(&resource).unwrap().as_mut().unwrap();
        entries.retain(|present| present.name != name);
        entries.push(entry);
    }

    /// All throttles that the plan's moves need are in force, and ours.
    pub(super) fn throttled(mut self) -> Self {
        for _ in 0..2 {
            for step in self.decide() {
                for record in step.intent {
                    self.state.apply(record);
                }
                if let Some(Change::Throttle(
                    resource,
                    ConfigChange::Set { name, value } | ConfigChange::Append { name, value },
                )) = step.change
                {
                    self.configure(resource, &name, &value);
                }
            }
        }
        for (place, progress) in self.state.plans[&PlanId(1)].moves.clone() {
            let waiting = MoveProgress {
                state: MoveState::Waiting,
                ..progress
            };
            self.state.apply(Record::Move(PlanId(1), place, Some(waiting)));
        }
        self.state.cool_downs.clear();
        self.state.usage.clear();
        self
    }

    pub(super) fn decide(&self) -> Vec<Step> {
        self.decide_at(NOW)
    }

    pub(super) fn decide_at(&self, now: Timestamp) -> Vec<Step> {
        let live = |id: &BrokerId| Broker {
            id: *id,
            host: "127.0.0.1".to_owned(),
            port: 9092,
            rack: None,
        };
        let description = ClusterDescription {
            cluster_id: "c".to_owned(),
            controller: None,
            brokers: self.alive.iter().map(live).collect(),
            topics: vec![Topic {
                name: topic("t"),
                id: ID,
                partitions: self.partitions.clone(),
            }],
        };
        let seen = Seen::new(self.reassignments.clone(), description, &self.configs);
        decide(&self.state, &seen, &self.guidance, &self.limits, now)
    }

    /// The partitions that are reassigned or whose leader is elected.
    pub(super) fn started(&self) -> Vec<i32> {
        let steps = self.decide();
        let started = steps.iter().filter_map(|step| match &step.change {
            Some(Change::Reassign(_, moved, _) | Change::Elect(moved)) => Some(moved.partition.get()),
            _ => None,
        });
        started.collect()
    }

    pub(super) fn ended(&self) -> Vec<Outcome> {
        self.ended_at(NOW)
    }

    pub(super) fn ended_at(&self, now: Timestamp) -> Vec<Outcome> {
        let steps = self.decide_at(now);
        let records = steps.into_iter().flat_map(|step| step.intent);
        records
            .filter_map(|record| match record {
                Record::Move(_, _, Some(progress)) => match progress.state {
                    MoveState::Ended { outcome, .. } => Some(outcome),
                    _ => None,
                },
                _ => None,
            })
            .collect()
    }

    /// The values that rates are set to.
    pub(super) fn rates(&self) -> BTreeMap<(BrokerId, String), String> {
        let steps = self.decide();
        let rates = steps.into_iter().filter_map(|step| match step.change {
            Some(
                Change::Throttle(ConfigResource::Broker(id), ConfigChange::Set { name, value })
                | Change::Unthrottle(ConfigResource::Broker(id), ConfigChange::Set { name, value }),
            ) => Some(((id, name), value)),
            _ => None,
        });
        rates.collect()
    }
}

pub(super) const COPY: (&[i32], &[i32]) = (&[0, 1, 2], &[3, 1, 2]);
pub(super) const LEAD: (&[i32], &[i32]) = (&[0, 1, 2], &[1, 0, 2]);

pub(super) fn reassignment(replicas: &[i32], adding: &[i32], removing: &[i32]) -> Reassignment {
    Reassignment {
        replicas: brokers(replicas),
        adding: brokers(adding),
        removing: brokers(removing),
    }
}

pub(super) fn cancels(bench: &Bench) -> bool {
    let cancel = |step: &Step| matches!(step.change, Some(Change::Cancel(_)));
    bench.decide().iter().any(cancel)
}

pub(super) fn stopping(bench: &mut Bench, how: StopHow) {
    let mut head = bench.state.plans[&PlanId(1)].head.clone().unwrap();
    head.phase = Phase::Stopping(how);
    bench.state.apply(Record::Plan(PlanId(1), Some(head)));
}
