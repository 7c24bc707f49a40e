//! How much of their headroom brokers can spare for copies, as producers and consumers feel it.
//!
//! Headroom by bytes is not the whole truth: a disk, a network that is shared, or another process may be at its limit long
//! before a broker has sent or received what its configuration says it can. What shows that is the time that producers'
//! requests take. As TCP's CUBIC does with a network that it does not know, copies begin with little and get more with each
//! look, until producers are slowed down beyond what they were before there were copies. See [`Share`].

use std::collections::{BTreeMap, BTreeSet};

use kafka::ids::BrokerId;
use sidecar::report::BrokerTotals;

use super::limits::Headroom;
use super::share::Share;
use crate::model::{BrokerIndex, Model, Resource};

/// How many times longer producers' requests may take than before.
const SLOWER: f64 = 1.3;

/// Milliseconds that requests may take longer whatever they took before: what brokers' own doings cost.
const SLACK_MS: f64 = 2.0;

/// How much of a new measurement goes into what is usual, when there are no copies.
const LEARNING: f64 = 0.2;

/// Seconds within which consumers that are behind are to have caught up, if the broker can send that much.
const CATCH_UP_SECONDS: f64 = 60.0;

/// Keeps track of brokers' latencies and shares.
#[derive(Debug, Default)]
pub struct Pacer {
    brokers: BTreeMap<BrokerId, Pace>,
}

/// What one broker can spare for copies, and why not more.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pace {
    /// What is usual when there are no copies, in milliseconds: of whole produce requests, and of their time in the log.
    usual: Option<Latency>,
    /// Whether that was seen when there were no copies.
    is_sure: bool,
    send: Share,
    receive: Share,
    /// What its configuration and its load leave, in bytes per second, as of the last look.
    spare: Option<Headroom>,
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

impl Pacer {
    /// Takes in what one look saw. `copying` are the brokers that copies pass through.
    pub fn look(
        &mut self,
        model: &Model,
        totals: &BTreeMap<BrokerId, BrokerTotals>,
        copying: &BTreeSet<BrokerId>,
    ) {
        let is_calm = copying.is_empty();
        // A broker whose report does not come in time may be slow because of the copies.
        self.brokers
            .retain(|broker, _| !is_calm || totals.contains_key(broker));
        for pace in self.brokers.values_mut() {
            pace.slowed = None;
        }
        for (broker, totals) in totals {
            let pace = self.brokers.entry(*broker).or_default();
            pace.reserved = totals.consumers_behind.unwrap_or(0.0) / CATCH_UP_SECONDS;
            pace.measure(latency(totals), is_calm);
        }
        let is_felt = self.brokers.values().any(|pace| pace.usual.is_some());
        let blamed = self.blamed(model);
        for (broker, pace) in &mut self.brokers {
            let (send, receive) = blamed.get(broker).copied().unwrap_or_default();
            for (share, is_blamed) in [(&mut pace.send, send), (&mut pace.receive, receive)] {
                if !is_felt {
                    // Without sidecars nothing would ever say that it is too much.
                    *share = Share::all();
                } else if is_calm {
                    share.rest();
                } else {
                    share.look(is_blamed);
                }
            }
        }
        self.note_spare(model, &blamed);
    }

    /// What producers do not write because copies slow them down is not to spare.
    fn note_spare(&mut self, model: &Model, blamed: &BTreeMap<BrokerId, (bool, bool)>) {
        for row in model.brokers() {
            let id = model.broker(row).id;
            let Some(pace) = self.brokers.get_mut(&id) else {
                continue;
            };
            let now = spare_capacity(model, row);
            let is_slow = blamed.get(&id).is_some_and(|(send, receive)| *send || *receive);
            pace.spare = Some(match pace.spare {
                Some(before) if is_slow => Headroom {
                    send: now.send.min(before.send),
                    receive: now.receive.min(before.receive),
                },
                _ => now,
            });
        }
    }

    /// What each broker can spare, in bytes per second.
    pub fn headroom(&self, model: &Model) -> BTreeMap<BrokerId, Headroom> {
        let spare = |row| {
            let id = model.broker(row).id;
            let Some(pace) = self.brokers.get(&id) else {
                return (id, spare_capacity(model, row));
            };
            let spare = pace.spare.unwrap_or_else(|| spare_capacity(model, row));
            let copies = Headroom {
                send: (spare.send - pace.reserved).max(0.0) * pace.send.get(),
                receive: spare.receive * pace.receive.get(),
            };
            (id, copies)
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
                100.0 * pace.send_share().min(pace.receive_share())
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
        self.send.get()
    }

    /// The part of the headroom for receiving that copies may take, from 0 to 1.
    pub fn receive_share(&self) -> f64 {
        self.receive.get()
    }

    /// Bytes per second that are left to consumers so that they catch up.
    pub fn reserved(&self) -> f64 {
        self.reserved
    }

    /// What slows its producers down, if anything does.
    pub fn slowed(&self) -> Option<Slowed> {
        self.slowed
    }

    fn measure(&mut self, now: Option<Latency>, is_calm: bool) {
        let Some(now) = now else { return };
        let usual = self.usual.get_or_insert(now);
        if is_calm {
            usual.total += LEARNING * (now.total - usual.total);
            usual.local += LEARNING * (now.local - usual.local);
            self.is_sure = true;
            return;
        }
        if is_slower(now.local, usual.local) {
            self.slowed = Some(Slowed::Disk);
        } else if is_slower(now.total, usual.total) {
            self.slowed = Some(Slowed::Waiting);
        }
        if !self.is_sure {
            // It is what it was first seen to be because of copies, as after a restart in the middle of a plan.
            usual.total = usual.total.min(now.total);
            usual.local = usual.local.min(now.local);
        }
    }
}

fn latency(totals: &BrokerTotals) -> Option<Latency> {
    let total = totals.produce_mean_ms?;
    let local = totals.produce_local_mean_ms.unwrap_or(0.0);
    Some(Latency { total, local })
}

fn is_slower(now: f64, usual: f64) -> bool {
    now > SLOWER * usual + SLACK_MS
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
