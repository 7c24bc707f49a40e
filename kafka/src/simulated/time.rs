//! How the simulated cluster gets from one moment to the next.
//!
//! Between two events all rates are constant, so the model jumps from event to event: a session times out, a
//! replica catches up.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::configuration::{FOLLOWER, LEADER, ThrottleNames};
use super::world::{Cause, Life, SESSION_TIMEOUT, Shrink, World};
use crate::ids::{BrokerId, PartitionId, TopicName, TopicPartition};

/// Fewer bytes behind than this is caught up.
const CAUGHT_UP: f64 = 1.0;

/// The shortest jump, so that rounding cannot stop the clock.
const SHORTEST: Duration = Duration::from_micros(10);

/// A replica that is catching up.
#[derive(Debug)]
struct Copying {
    topic: TopicName,
    number: usize,
    leader: BrokerId,
    follower: BrokerId,
    throttled_by_leader: bool,
    throttled_by_follower: bool,
    rate: f64,
}

impl World {
    pub(super) fn advance(&mut self, to: Instant) {
        while self.now < to {
            let copying = self.copying();
            let step = self
                .next_event(&copying)
                .max(SHORTEST)
                .min(to.saturating_duration_since(self.now));
            self.flow(step, &copying);
            self.now += step;
            self.fence_the_silent();
            self.stop_the_full();
            self.join_the_caught_up(&copying);
        }
    }

    /// All replicas that are catching up, with the rate that each gets.
    fn copying(&self) -> Vec<Copying> {
        let mut copying = Vec::new();
        for (name, topic) in &self.topics {
            for (number, partition) in topic.partitions.iter().enumerate() {
                let Some(leader) = partition.leader.filter(|leader| self.runs(*leader)) else {
                    continue;
                };
                for follower in &partition.replicas {
                    if !partition.in_sync.contains(follower) && self.runs(*follower) {
                        copying.push(Copying {
                            topic: name.clone(),
                            number,
                            leader,
                            follower: *follower,
                            throttled_by_leader: topic.throttles(&LEADER, number, leader),
                            throttled_by_follower: topic.throttles(&FOLLOWER, number, *follower),
                            rate: 0.0,
                        });
                    }
                }
            }
        }
        self.share(&mut copying);
        copying
    }

    /// Divides bandwidth and throttles of each broker evenly over the copies that pass through it.
    fn share(&self, copying: &mut [Copying]) {
        let mut sent: BTreeMap<BrokerId, (f64, f64)> = BTreeMap::new();
        let mut received: BTreeMap<BrokerId, (f64, f64)> = BTreeMap::new();
        for copy in copying.iter() {
            let count = sent.entry(copy.leader).or_default();
            count.0 += 1.0;
            count.1 += f64::from(u8::from(copy.throttled_by_leader));
            let count = received.entry(copy.follower).or_default();
            count.0 += 1.0;
            count.1 += f64::from(u8::from(copy.throttled_by_follower));
        }
        for copy in copying {
            let (all, throttled) = sent[&copy.leader];
            let mut rate = self.bandwidth(copy.leader) / all;
            if copy.throttled_by_leader {
                rate = rate.min(self.throttle(copy.leader, &LEADER) / throttled);
            }
            let (all, throttled) = received[&copy.follower];
            rate = rate.min(self.bandwidth(copy.follower) / all);
            if copy.throttled_by_follower {
                rate = rate.min(self.throttle(copy.follower, &FOLLOWER) / throttled);
            }
            copy.rate = rate;
        }
    }

    fn bandwidth(&self, broker: BrokerId) -> f64 {
        self.brokers
            .get(&broker)
            .map_or(0.0, |state| state.spec.replication_bandwidth)
    }

    fn throttle(&self, broker: BrokerId, names: &ThrottleNames) -> f64 {
        self.brokers
            .get(&broker)
            .and_then(|state| state.configs.get(names.rate))
            .or_else(|| self.broker_default.get(names.rate))
            .and_then(|rate| rate.parse().ok())
            .unwrap_or(f64::INFINITY)
    }

    fn next_event(&self, copying: &[Copying]) -> Duration {
        let mut next = Duration::MAX;
        for state in self.brokers.values() {
            if let Life::Silent(since) = state.life {
                next = next.min((since + SESSION_TIMEOUT).saturating_duration_since(self.now));
            }
        }
        for copy in copying {
            let partition = &self.topics[&copy.topic].partitions[copy.number];
            let behind = partition.written - partition.stored.get(&copy.follower).unwrap_or(&0.0);
            let closing = copy.rate - partition.produce_rate;
            if behind <= CAUGHT_UP {
                return Duration::ZERO;
            }
            if closing > 0.0
                && let Ok(time) = Duration::try_from_secs_f64(behind / closing)
            {
                next = next.min(time);
            }
        }
        next
    }

    fn flow(&mut self, step: Duration, copying: &[Copying]) {
        let seconds = step.as_secs_f64();
        let running: Vec<BrokerId> = self.brokers.keys().copied().filter(|b| self.runs(*b)).collect();
        for partition in self.topics.values_mut().flat_map(|topic| &mut topic.partitions) {
            if partition.leader.is_some_and(|leader| running.contains(&leader)) {
                partition.append(partition.produce_rate * seconds);
            }
        }
        for copy in copying {
            if let Some(topic) = self.topics.get_mut(&copy.topic) {
                let partition = &mut topic.partitions[copy.number];
                let stored = partition.stored.entry(copy.follower).or_insert(0.0);
                *stored = (*stored + copy.rate * seconds).min(partition.written);
            }
        }
        self.consume(seconds);
    }

    fn fence_the_silent(&mut self) {
        let now = self.now;
        let mut fenced = Vec::new();
        for (id, state) in &mut self.brokers {
            if let Life::Silent(since) = state.life
                && now >= since + SESSION_TIMEOUT
            {
                state.life = Life::Fenced;
                fenced.push(*id);
            }
        }
        for broker in fenced {
            self.take_out_of_sync(broker);
        }
    }

    /// As the controller does on fencing: the broker leaves the in-sync replicas unless it is the last of them.
    fn take_out_of_sync(&mut self, broker: BrokerId) {
        let alive = self.unfenced();
        for (name, topic) in &mut self.topics {
            for (number, partition) in topic.partitions.iter_mut().enumerate() {
                let before = partition.in_sync.len();
                if before > 1 && partition.in_sync.contains(&broker) {
                    partition.in_sync.retain(|replica| *replica != broker);
                    self.shrinks.push(Shrink {
                        partition: numbered(name, number),
                        before,
                        after: before - 1,
                        cause: Cause::BrokerFenced,
                    });
                }
                if partition.leader == Some(broker) {
                    partition.elect(&alive);
                }
            }
        }
    }

    /// A broker halts when its last log directory fails, and a directory fails when its volume is full.
    fn stop_the_full(&mut self) {
        let mut stored: BTreeMap<BrokerId, f64> = BTreeMap::new();
        for partition in self.topics.values().flat_map(|topic| &topic.partitions) {
            for (broker, bytes) in &partition.stored {
                *stored.entry(*broker).or_default() += bytes;
            }
        }
        for (broker, bytes) in stored {
            let space: f64 = self.brokers.get(&broker).map_or(0.0, |state| {
                state.spec.volumes.iter().map(|volume| *volume as f64).sum()
            });
            if bytes >= space {
                self.stop_broker(broker);
            }
        }
    }

    fn join_the_caught_up(&mut self, copying: &[Copying]) {
        for copy in copying {
            let alive = self.unfenced();
            let Some(topic) = self.topics.get_mut(&copy.topic) else {
                continue;
            };
            let partition = &mut topic.partitions[copy.number];
            let behind = partition.written - partition.stored.get(&copy.follower).unwrap_or(&0.0);
            if behind <= CAUGHT_UP && partition.leader.is_some() && alive.contains(&copy.follower) {
                // The controller takes the new replica in and the old ones out in one step.
                let before = partition.in_sync.len();
                if !partition.in_sync.contains(&copy.follower) {
                    partition.in_sync.push(copy.follower);
                    partition.stored.insert(copy.follower, partition.written);
                }
                let done = partition
                    .complete_reassignment(&alive)
                    .map(|(_, after)| (before, after));
                self.note_shrink(&numbered(&copy.topic, copy.number), done, Cause::ReassignmentDone);
            }
        }
    }

    pub(super) fn note_shrink(
        &mut self,
        partition: &TopicPartition,
        change: Option<(usize, usize)>,
        cause: Cause,
    ) {
        if let Some((before, after)) = change
            && after < before
        {
            self.shrinks.push(Shrink {
                partition: partition.clone(),
                before,
                after,
                cause,
            });
        }
    }
}

pub(super) fn numbered(topic: &TopicName, number: usize) -> TopicPartition {
    TopicPartition::new(topic.clone(), partition_id(number))
}

/// A partition's number from its place in the topic. There are never so many that it does not fit.
pub(super) fn partition_id(number: usize) -> PartitionId {
    let number = i32::try_from(number).unwrap_or(i32::MAX);
    match PartitionId::try_from(number) {
        Ok(id) => id,
        Err(_) => unreachable!("a place in a list is not negative"),
    }
}
