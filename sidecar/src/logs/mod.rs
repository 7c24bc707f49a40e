//! A broker's logs: sizes, offsets, who leads.
//!
//! They are read over the Kafka protocol ([`protocol`]), which costs the broker about a quarter of what reading the
//! MBeans of every partition does; or, where the sidecar may not use a listener, from those ([`mbeans`]).

pub mod mbeans;
pub mod protocol;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Add;

use kafka::{TopicName, TopicPartition};

use crate::report::Volume;

/// A broker's logs at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LogReading {
    /// The cluster's id.
    pub cluster_id: String,
    /// The broker's log directories; MBeans do not tell which replica is in which, so none from those.
    pub volumes: Vec<Volume>,
    /// The replicas on the broker.
    pub replicas: BTreeMap<TopicPartition, Replica>,
    /// How many partitions there are of each topic whose partition 0 the broker leads; so each topic has one teller. MBeans
    /// do not tell.
    pub partition_counts: BTreeMap<TopicName, u32>,
    /// Whether consumers may fetch from followers (KIP-392), which then count bytes out for partitions they do not lead; none
    /// where nobody tells, as in MBeans.
    pub followers_serve: Option<bool>,
    /// The topics whose logs are known to hold something else than was written to them: compacted ones, and those that
    /// brokers compress anew.
    pub rewritten: BTreeSet<TopicName>,
}

impl LogReading {
    /// How many partitions that the broker leads have fewer replicas in sync than they need; none while that is not known.
    pub fn under_minimum(&self) -> Option<usize> {
        let led = self.replicas.values().filter_map(|replica| replica.led);
        let under = led.map(|led| led.against_minimum.map(|against| usize::from(against.is_lt())));
        let known = |one: Option<usize>, other| [one, other].into_iter().flatten().reduce(usize::add);
        under.reduce(known).unwrap_or(Some(0))
    }
}

/// One replica on the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// The topic's id: a topic deleted and made again under the same name has another. It is 0 where it is not known, as in all
    /// that comes from MBeans.
    pub topic_id: [u8; 16],
    /// Size of its log in bytes.
    pub size: u64,
    /// What is known of the partition where this replica leads it.
    pub led: Option<Led>,
    /// Whether this replica is known to be in sync with its leader.
    pub in_sync: bool,
}

impl Replica {
    /// Whether a later replica of the same partition is of the same topic, not of another one of its name: by their ids, or
    /// where one has none by the offsets of leaders, which in one and the same log do not go back.
    pub fn is_same_topic(&self, later: &Self) -> bool {
        const UNKNOWN: [u8; 16] = [0; 16];
        if self.topic_id != UNKNOWN && later.topic_id != UNKNOWN {
            return self.topic_id == later.topic_id;
        }
        let span = |replica: &Self| replica.led.and_then(|led| led.span);
        let spans = span(self).zip(span(later));
        spans.is_none_or(|(old, new)| old.start <= new.start && old.end <= new.end)
    }
}

/// A partition, seen by its leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Led {
    /// The first offset kept and the one after the last record, where the leader told.
    pub span: Option<Span>,
    /// How many replicas the partition has.
    pub replicas: u32,
    /// How many of them are in sync.
    pub in_sync: u32,
    /// How that compares with `min.insync.replicas`, where it is known.
    pub against_minimum: Option<Ordering>,
    /// Whether the preferred replica leads; MBeans do not tell.
    pub preferred: Option<bool>,
}

/// The offsets that a log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first one kept.
    pub start: i64,
    /// The one after the last.
    pub end: i64,
}
