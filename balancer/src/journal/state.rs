//! What all records together say.

use std::collections::BTreeMap;

use kafka::ids::{BrokerId, TopicName, TopicPartition};

use super::codec::Record;
use super::record::{
    BrokerThrottle, CoolDown, Direction, Drain, FinishedPlan, Mode, MoveProgress, MoveState, Phase, PlanHead,
    PlanId, Replication, Spent, StopHow, TopicThrottle,
};

/// The fold of the journal's records. The order of records with different keys does not matter.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExecutionState {
    /// Whether the journal has everything since it began.
    pub whole: bool,
    /// The mode, if one was ever chosen.
    pub mode: Option<Mode>,
    /// The mode of the configuration when the journal was last opened.
    pub configured: Option<Mode>,
    /// Brokers to be emptied.
    pub drains: BTreeMap<BrokerId, Drain>,
    /// How many replicas topics are to have, until they have them.
    pub replications: BTreeMap<TopicName, Replication>,
    /// Plans that are not over, at most one unless a record was unreadable.
    pub plans: BTreeMap<PlanId, ActivePlan>,
    /// Rates that this balancer has set.
    pub broker_throttles: BTreeMap<(BrokerId, Direction), BrokerThrottle>,
    /// Throttled replicas that this balancer has added.
    pub topic_throttles: BTreeMap<(TopicName, Direction), TopicThrottle>,
    /// Plans that are over.
    pub history: BTreeMap<PlanId, FinishedPlan>,
    /// What was started in the last hour, by minute.
    pub usage: Vec<Spent>,
    /// When partitions were last moved.
    pub cool_downs: BTreeMap<TopicPartition, CoolDown>,
}

/// A plan that is not over.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ActivePlan {
    /// What is known of it; none when only records of its moves were readable.
    pub head: Option<PlanHead>,
    /// Its moves by their place in the plan.
    pub moves: BTreeMap<u32, MoveProgress>,
}

impl ActivePlan {
    /// Where it is in its life. A plan that is known in part only is brought to an end.
    pub fn phase(&self) -> Phase {
        match &self.head {
            Some(head) => head.phase,
            None => Phase::Stopping(StopHow::Gently),
        }
    }

    /// Whether all moves are over.
    pub fn is_over(&self) -> bool {
        let ended = |progress: &MoveProgress| matches!(progress.state, MoveState::Ended { .. });
        self.moves.values().all(ended)
    }
}

impl ExecutionState {
    /// Takes one more record in.
    pub fn apply(&mut self, record: Record) {
        match record {
            Record::Whole => self.whole = true,
            Record::Mode(mode) => self.mode = Some(mode),
            Record::Configured(mode) => self.configured = mode,
            Record::Usage(spent) => self.usage = spent,
            Record::Drain(broker, drain) => put(&mut self.drains, broker, drain),
            Record::Replication(topic, replication) => put(&mut self.replications, topic, replication),
            Record::Finished(plan, finished) => put(&mut self.history, plan, finished),
            Record::CoolDown(partition, cool) => put(&mut self.cool_downs, partition, cool),
            Record::BrokerThrottle(broker, direction, throttle) => {
                put(&mut self.broker_throttles, (broker, direction), throttle);
            }
            Record::TopicThrottle(topic, direction, throttle) => {
                put(&mut self.topic_throttles, (topic, direction), throttle);
            }
            Record::Plan(plan, head) => {
                self.plans.entry(plan).or_default().head = head;
                self.forget_if_empty(plan);
            }
            Record::Move(plan, place, progress) => {
                put(&mut self.plans.entry(plan).or_default().moves, place, progress);
                self.forget_if_empty(plan);
            }
        }
    }

    fn forget_if_empty(&mut self, plan: PlanId) {
        if self
            .plans
            .get(&plan)
            .is_some_and(|active| active.head.is_none() && active.moves.is_empty())
        {
            self.plans.remove(&plan);
        }
    }
}

fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}
