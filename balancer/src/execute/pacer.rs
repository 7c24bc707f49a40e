//! How much of their headroom brokers can spare for copies, as producers and consumers feel it.
//!
//! Headroom by bytes is not the whole truth: a disk, a network that is shared, or another process may be at its limit long
//! before a broker has sent or received what its configuration says it can. What shows that is the time that producers'
//! requests take. As in TCP's congestion control, a broker's share of its headroom is halved when its producers are slowed
//! down beyond what they were before there were copies, and grows by a tenth with each look at which they are not.

use std::collections::{BTreeMap, BTreeSet};

use kafka::ids::BrokerId;
use sidecar::report::BrokerTotals;

use super::limits::Headroom;
use crate::model::{BrokerIndex, Model, Resource};

/// How many times longer producers' requests may take than before.
const SLOWER: f64 = 1.3;

/// Milliseconds that requests may take longer whatever they took before: what brokers' own doings cost.
const SLACK_MS: f64 = 2.0;

/// How much of a new measurement goes into what is usual, when there are no copies.
const LEARNING: f64 = 0.2;

/// By how many more replicas producers have to wait for, as a mean of what they write, before what was usual no longer is.
const MORE_FOLLOWERS: f64 = 0.5;

/// By how much a share grows with each look, and the least that it falls to.
const GROWTH: f64 = 0.1;
const LEAST: f64 = 1.0 / 64.0;

/// Seconds within which consumers that are behind are to have caught up, if the broker can send that much.
const CATCH_UP_SECONDS: f64 = 60.0;

/// Keeps track of brokers' latencies and shares.
#[derive(Debug, Default)]
pub struct Pacer {
    brokers: BTreeMap<BrokerId, Pace>,
}

/// What one broker can spare for copies, and why not more.
#[derive(Debug, Clone, PartialEq)]
pub struct Pace {
    /// What is usual when there are no copies, in milliseconds: of whole produce requests, and of their time in the log.
    usual: Option<Latency>,
    /// How many in-sync followers producers waited for when that was measured, as a mean of what they write.
    followers: f64,
    /// The shares of the headroom, by direction, from 0 to 1.
    send: f64,
    receive: f64,
    /// Bytes per second that consumers need to catch up.
    reserved: f64,
    slowed: Option<Slowed>,
}

/// Times of produce requests in milliseconds, the means of a window.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Latency {
    total: f64,
    local: f64,
}

/// What slows a broker's producers down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slowed {
    /// Its own log: the disk is at its limit.
    Disk,
    /// Anything else: requests queue, or followers are late.
    Waiting,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            usual: None,
            followers: 0.0,
            send: 1.0,
            receive: 1.0,
            reserved: 0.0,
            slowed: None,
        }
    }
}

impl Pacer {
    /// Takes in what one look saw. `copying` are the brokers that copies pass through.
    pub fn look(
        &mut self,
        model: &Model,
        totals: &BTreeMap<BrokerId, BrokerTotals>,
        copying: &BTreeSet<BrokerId>,
    ) {
        self.brokers.retain(|broker, _| totals.contains_key(broker));
        let followers = followers(model);
        for (broker, totals) in totals {
            let pace = self.brokers.entry(*broker).or_default();
            let followers = followers.get(broker).copied().unwrap_or_default();
            pace.reserved = totals.consumers_behind.unwrap_or(0.0) / CATCH_UP_SECONDS;
            pace.measure(latency(totals), followers, copying.is_empty());
        }
        if copying.is_empty() {
            for pace in self.brokers.values_mut() {
                (pace.send, pace.receive) = (1.0, 1.0);
            }
            return;
        }
        let blamed = self.blamed(model);
        for (broker, pace) in &mut self.brokers {
            let (send, receive) = blamed.get(broker).copied().unwrap_or_default();
            pace.send = next(pace.send, send);
            pace.receive = next(pace.receive, receive);
        }
    }

    /// What each broker can spare, in bytes per second.
    pub fn headroom(&self, model: &Model) -> BTreeMap<BrokerId, Headroom> {
        let spare = |row| {
            let id = model.broker(row).id;
            let by_capacity = spare_capacity(model, row);
            let spare = self.brokers.get(&id).map_or(by_capacity, |pace| Headroom {
                send: (by_capacity.send - pace.reserved).max(0.0) * pace.send,
                receive: by_capacity.receive * pace.receive,
            });
            (id, spare)
        };
        model.brokers().map(spare).collect()
    }

    /// Whose sending and whose receiving slows producers down: the broker's own where its disk does; else its sending and
    /// the receiving of those that follow it, since that is whom its requests wait for.
    fn blamed(&self, model: &Model) -> BTreeMap<BrokerId, (bool, bool)> {
        let mut blamed: BTreeMap<BrokerId, (bool, bool)> = BTreeMap::new();
        let mut waiting = BTreeSet::new();
        for (broker, pace) in &self.brokers {
            match pace.slowed {
                None => {}
                Some(Slowed::Disk) => drop(blamed.insert(*broker, (true, true))),
                Some(Slowed::Waiting) => {
                    blamed.entry(*broker).or_default().0 = true;
                    waiting.insert(*broker);
                }
            }
        }
        if waiting.is_empty() {
            return blamed;
        }
        for partition in model.partitions() {
            let leader = model.leader(partition).map(|leader| model.broker(leader).id);
            if leader.is_none_or(|leader| !waiting.contains(&leader)) {
                continue;
            }
            for follower in model.replicas(partition) {
                let id = model.broker(*follower).id;
                if Some(id) != leader {
                    blamed.entry(id).or_default().1 = true;
                }
            }
        }
        blamed
    }

    /// Whose producers are slowed down, in sentences.
    pub fn slowed_down(&self) -> impl Iterator<Item = String> {
        self.brokers.iter().filter_map(|(broker, pace)| {
            let why = match pace.slowed? {
                Slowed::Disk => "its disk",
                Slowed::Waiting => "queues or late followers",
            };
            Some(format!(
                "producers are slowed down at broker {broker} by {why}: copies get {:.0} % of what it can spare",
                100.0 * pace.send.min(pace.receive)
            ))
        })
    }

    /// What each broker can spare for copies, and why not more.
    pub fn paces(&self) -> impl Iterator<Item = (BrokerId, &Pace)> {
        self.brokers.iter().map(|(broker, pace)| (*broker, pace))
    }
}

impl Pace {
    /// The part of the headroom for sending that copies may take, from 0 to 1.
    pub fn send_share(&self) -> f64 {
        self.send
    }

    /// The part of the headroom for receiving that copies may take, from 0 to 1.
    pub fn receive_share(&self) -> f64 {
        self.receive
    }

    /// Bytes per second that are left to consumers so that they catch up.
    pub fn reserved(&self) -> f64 {
        self.reserved
    }

    /// What slows its producers down, if anything does.
    pub fn slowed(&self) -> Option<Slowed> {
        self.slowed
    }

    fn measure(&mut self, now: Option<Latency>, followers: f64, is_calm: bool) {
        self.slowed = None;
        let Some(now) = now else { return };
        let Some(usual) = self.usual.as_mut() else {
            // Copies may be why it is what it is, as after a restart in the middle of a plan; calmer times correct it.
            self.usual = Some(now);
            self.followers = followers;
            return;
        };
        if is_calm {
            self.followers = followers;
            usual.total += LEARNING * (now.total - usual.total);
            usual.local += LEARNING * (now.local - usual.local);
        } else if is_slower(now.local, usual.local) {
            self.slowed = Some(Slowed::Disk);
        } else if followers >= self.followers + MORE_FOLLOWERS {
            // Where a topic gets more replicas, its producers wait for them from then on, copies or none.
            self.followers = followers;
            usual.total = usual.total.max(now.total);
        } else if is_slower(now.total, usual.total) {
            self.slowed = Some(Slowed::Waiting);
        } else {
            usual.total = usual.total.min(now.total);
            usual.local = usual.local.min(now.local);
        }
    }
}

/// How many in-sync followers the producers of each leader wait for, as a mean of what they write.
fn followers(model: &Model) -> BTreeMap<BrokerId, f64> {
    let mut sums = vec![(0.0, 0.0); model.brokers().len()];
    for partition in model.partitions() {
        let Some(leader) = model.leader(partition) else {
            continue;
        };
        let written = model.load(partition).bytes_in;
        let in_sync = |replica: &&BrokerIndex| **replica != leader && model.is_in_sync(partition, **replica);
        let followers = model.replicas(partition).iter().filter(in_sync).count();
        let (waits, weight) = &mut sums[leader.get()];
        *waits += written * followers as f64;
        *weight += written;
    }
    let brokers = model.brokers().zip(sums).filter(|(_, (_, weight))| *weight > 0.0);
    brokers
        .map(|(row, (waits, weight))| (model.broker(row).id, waits / weight))
        .collect()
}

fn latency(totals: &BrokerTotals) -> Option<Latency> {
    let total = totals.produce_mean_ms?;
    let local = totals.produce_local_mean_ms.unwrap_or(0.0);
    Some(Latency { total, local })
}

fn is_slower(now: f64, usual: f64) -> bool {
    now > SLOWER * usual + SLACK_MS
}

fn next(share: f64, is_blamed: bool) -> f64 {
    if is_blamed {
        (share / 2.0).max(LEAST)
    } else {
        (share + GROWTH).min(1.0)
    }
}

/// The model counts what clients send and receive and what replicas in sync copy, not what a reassignment copies.
fn spare_capacity(model: &Model, row: BrokerIndex) -> Headroom {
    let (capacity, load) = (&model.broker(row).capacity, model.broker_load(row));
    let spare = |resource: Resource| (capacity[resource] - load[resource]).max(0.0);
    Headroom {
        send: spare(Resource::BytesOut),
        receive: spare(Resource::BytesIn),
    }
}
