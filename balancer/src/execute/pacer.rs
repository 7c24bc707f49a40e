//! How much of their headroom brokers can spare for copies, as producers and consumers feel it.
//!
//! Headroom by bytes is not the whole truth: a disk, a network that is shared, or another process may be at its limit long
//! before a broker has sent or received what its configuration says it can. What shows that is the time that producers'
//! requests take ([`Norm`]). As TCP does with a network that it does not know, copies begin with little and get more with
//! each look, until producers are slowed down beyond what they were before there were copies ([`Allowance`]).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka::ids::BrokerId;
use sidecar::report::BrokerTotals;

use super::allowance::{Allowance, Bounds};
use super::limits::Headroom;
use super::norm::{Felt, Norm};
use crate::journal::Direction;
use crate::model::{BrokerIndex, Model, Resource};

/// Seconds within which consumers that are behind are to have caught up, if the broker can send that much.
const CATCH_UP_SECONDS: f64 = 60.0;

/// What is left after a second of what clients used and use no longer.
const FORGETTING: f64 = 0.99;

/// Keeps track of brokers' latencies, and of what copies may take.
#[derive(Debug)]
pub struct Pacer {
    brokers: BTreeMap<BrokerId, Pace>,
    /// Seconds from one look to the next.
    period: f64,
    /// The least that copies get, in bytes per second.
    floor: f64,
}

/// What one broker can spare for copies, and why not more.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pace {
    usual: Option<Usual>,
    /// Whether that was seen when there were no copies.
    is_sure: bool,
    send: Way,
    receive: Way,
    /// Bytes per second that consumers need to catch up.
    reserved: f64,
    /// What slows its producers down, and how much is felt of it.
    slow: Option<(Slowed, Felt)>,
}

/// One direction.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Way {
    /// Bytes per second that clients use or have used lately. What they do not use because copies slow them down is theirs.
    used: f64,
    /// Bytes per second that are left beside that.
    spare: f64,
    allowance: Allowance,
}

/// What is usual when there are no copies: for whole produce requests, and for their time in the log.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Usual {
    total: Norm,
    local: Norm,
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

/// What is felt of a broker's sending and receiving.
type Blame = BTreeMap<(BrokerId, Direction), Felt>;

impl Pacer {
    /// One that takes a look every `period`, and leaves copies `floor` bytes per second at least.
    pub fn new(period: Duration, floor: u64) -> Self {
        Self {
            brokers: BTreeMap::new(),
            period: period.as_secs_f64(),
            floor: floor as f64,
        }
    }

    /// Takes in what one look saw. `copying` are those that send copies and those that receive them.
    pub fn look(
        &mut self,
        model: &Model,
        totals: &BTreeMap<BrokerId, BrokerTotals>,
        copying: &BTreeSet<(BrokerId, Direction)>,
    ) {
        let is_calm = copying.is_empty();
        // A broker whose report does not come in time may be slow because of the copies.
        self.brokers
            .retain(|broker, _| !is_calm || totals.contains_key(broker));
        for pace in self.brokers.values_mut() {
            pace.slow = None;
        }
        for (broker, totals) in totals {
            let pace = self.brokers.entry(*broker).or_default();
            pace.reserved = totals.consumers_behind.unwrap_or(0.0) / CATCH_UP_SECONDS;
            pace.measure(latency(totals), is_calm);
        }
        let blame = self.blame(model);
        let is_any_known = self.brokers.values().any(|pace| pace.usual.is_some());
        for row in model.brokers() {
            let id = model.broker(row).id;
            let Some(pace) = self.brokers.get_mut(&id) else {
                continue;
            };
            let is_late = pace.usual.is_some() && !totals.contains_key(&id);
            for direction in Direction::BOTH {
                let felt = blame.get(&(id, direction)).copied().unwrap_or_default();
                pace.note_use(model, row, direction, felt, self.period);
                let bounds = pace.bounds(direction, self.floor);
                let allowance = &mut pace.way_mut(direction).allowance;
                if !is_any_known {
                    // Without sidecars nothing would ever say that it is too much.
                    *allowance = Allowance::all(bounds);
                } else if !copying.contains(&(id, direction)) {
                    allowance.rest(self.period, bounds);
                } else if is_late {
                    allowance.keep_within(bounds);
                } else {
                    allowance.look(felt, self.period, bounds);
                }
            }
        }
    }

    /// What each broker can spare, in bytes per second.
    pub fn headroom(&self, model: &Model) -> BTreeMap<BrokerId, Headroom> {
        let spare = |row| {
            let id = model.broker(row).id;
            let spare = |direction| match self.brokers.get(&id) {
                Some(pace) => pace.way(direction).allowance.get(),
                None => (capacity(model, row, direction) - load(model, row, direction)).max(0.0),
            };
            let headroom = Headroom {
                send: spare(Direction::Leader),
                receive: spare(Direction::Follower),
            };
            (id, headroom)
        };
        model.brokers().map(spare).collect()
    }

    /// Whose sending and whose receiving slows producers down: the broker's own where its disk does; else its sending and
    /// the receiving of those that follow it, since that is whom its requests wait for.
    fn blame(&self, model: &Model) -> Blame {
        let mut blame = Blame::new();
        let mut accuse = |broker: BrokerId, direction: Direction, felt: Felt| {
            let most = blame.entry((broker, direction)).or_default();
            *most = felt.max(*most);
        };
        let mut waiting = BTreeMap::new();
        for (broker, pace) in &self.brokers {
            let Some((by, felt)) = pace.slow else { continue };
            accuse(*broker, Direction::Leader, felt);
            match by {
                Slowed::Disk => accuse(*broker, Direction::Follower, felt),
                Slowed::Waiting => drop(waiting.insert(*broker, felt)),
            }
        }
        for partition in model.partitions() {
            if waiting.is_empty() {
                break;
            }
            let leader = model.leader(partition).map(|leader| model.broker(leader).id);
            let Some(felt) = leader.and_then(|leader| waiting.get(&leader)) else {
                continue;
            };
            for follower in model.replicas(partition) {
                let id = model.broker(*follower).id;
                if Some(id) != leader {
                    accuse(id, Direction::Follower, *felt);
                }
            }
        }
        blame
    }

    /// Whose producers are slowed down, in sentences.
    pub fn slowed_down(&self) -> impl Iterator<Item = String> {
        self.brokers.iter().filter_map(|(broker, pace)| {
            let why = match pace.slowed()? {
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
        self.send.share()
    }

    /// The part of the headroom for receiving that copies may take, from 0 to 1.
    pub fn receive_share(&self) -> f64 {
        self.receive.share()
    }

    /// Bytes per second that are left to consumers so that they catch up.
    pub fn reserved(&self) -> f64 {
        self.reserved
    }

    /// What slows its producers down, if anything does.
    pub fn slowed(&self) -> Option<Slowed> {
        self.slow.map(|(by, _)| by)
    }

    fn measure(&mut self, now: Option<Latency>, is_calm: bool) {
        let Some(now) = now else { return };
        let Some(usual) = &mut self.usual else {
            self.usual = Some(Usual {
                total: Norm::new(now.total),
                local: Norm::new(now.local),
            });
            self.is_sure = is_calm;
            return;
        };
        if is_calm {
            usual.total.learn(now.total);
            usual.local.learn(now.local);
            self.is_sure = true;
            return;
        }
        let (local, total) = (usual.local.compare(now.local), usual.total.compare(now.total));
        self.slow = match local.max(total) {
            Felt::No => None,
            felt if local == felt => Some((Slowed::Disk, felt)),
            felt => Some((Slowed::Waiting, felt)),
        };
        if !self.is_sure {
            // It is what it was first seen to be because of copies, as after a restart in the middle of a plan.
            usual.total.learn_if_less(now.total);
            usual.local.learn_if_less(now.local);
        }
    }

    fn note_use(&mut self, model: &Model, row: BrokerIndex, direction: Direction, felt: Felt, seconds: f64) {
        let way = self.way_mut(direction);
        let forgetting = match felt {
            Felt::No => FORGETTING.powf(seconds),
            Felt::Perhaps | Felt::Surely => 1.0,
        };
        way.used = load(model, row, direction).max(way.used * forgetting);
        way.spare = (capacity(model, row, direction) - way.used).max(0.0);
    }

    fn bounds(&self, direction: Direction, floor: f64) -> Bounds {
        let reserved = match direction {
            Direction::Leader => self.reserved,
            Direction::Follower => 0.0,
        };
        Bounds {
            least: floor,
            most: (self.way(direction).spare - reserved).max(0.0),
        }
    }

    fn way(&self, direction: Direction) -> &Way {
        match direction {
            Direction::Leader => &self.send,
            Direction::Follower => &self.receive,
        }
    }

    fn way_mut(&mut self, direction: Direction) -> &mut Way {
        match direction {
            Direction::Leader => &mut self.send,
            Direction::Follower => &mut self.receive,
        }
    }
}

impl Way {
    fn share(&self) -> f64 {
        (self.allowance.get() / self.spare.max(1.0)).min(1.0)
    }
}

fn latency(totals: &BrokerTotals) -> Option<Latency> {
    let total = totals.produce_mean_ms?;
    let local = totals.produce_local_mean_ms.unwrap_or(0.0);
    Some(Latency { total, local })
}

fn capacity(model: &Model, row: BrokerIndex, direction: Direction) -> f64 {
    model.broker(row).capacity[resource(direction)]
}

/// What clients send and receive and what replicas in sync copy, not what a reassignment copies.
fn load(model: &Model, row: BrokerIndex, direction: Direction) -> f64 {
    model.broker_load(row)[resource(direction)]
}

fn resource(direction: Direction) -> Resource {
    match direction {
        Direction::Leader => Resource::BytesOut,
        Direction::Follower => Resource::BytesIn,
    }
}
