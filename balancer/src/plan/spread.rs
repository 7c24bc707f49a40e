//! How replicas, leaders and each topic's replicas are spread: what decides between placements that are as good otherwise.

use crate::model::{BrokerIndex, Model, TopicIndex};

/// Beyond so many pairs of topic and broker the spread of each topic is not looked at; the table would take too much memory.
const MOST_PAIRS: usize = 20_000_000;

/// Counts by broker, and by topic and broker.
#[derive(Debug)]
pub(super) struct Spread {
    replicas: Vec<u32>,
    leaders: Vec<u32>,
    matters: bool,
    /// Replicas by topic and then broker; empty where there are too many pairs.
    of_topic: Vec<u16>,
}

impl Spread {
    /// As it is in a model. Where it does not `matter`, every broker is as good as every other.
    pub(super) fn new(model: &Model, matters: bool) -> Self {
        let brokers = model.brokers().len();
        let pairs = model.topics().len().saturating_mul(brokers);
        let mut spread = Self {
            replicas: vec![0; brokers],
            leaders: vec![0; brokers],
            matters,
            of_topic: vec![0; if pairs <= MOST_PAIRS { pairs } else { 0 }],
        };
        for partition in model.partitions() {
            let topic = model.topic_of(partition);
            for &broker in model.replicas(partition) {
                spread.arrive(topic, broker);
            }
            if let Some(leader) = model.leader(partition) {
                spread.leaders[leader.get()] += 1;
            }
        }
        spread
    }

    fn place(&self, topic: TopicIndex, broker: BrokerIndex) -> usize {
        topic.get() * self.replicas.len() + broker.get()
    }

    pub(super) fn arrive(&mut self, topic: TopicIndex, broker: BrokerIndex) {
        self.replicas[broker.get()] += 1;
        let place = self.place(topic, broker);
        if let Some(count) = self.of_topic.get_mut(place) {
            *count = count.saturating_add(1);
        }
    }

    pub(super) fn leave(&mut self, topic: TopicIndex, broker: BrokerIndex) {
        self.replicas[broker.get()] -= 1;
        let place = self.place(topic, broker);
        if let Some(count) = self.of_topic.get_mut(place) {
            *count = count.saturating_sub(1);
        }
    }

    pub(super) fn pass(&mut self, from: Option<BrokerIndex>, to: Option<BrokerIndex>) {
        if let Some(from) = from {
            self.leaders[from.get()] -= 1;
        }
        if let Some(to) = to {
            self.leaders[to.get()] += 1;
        }
    }

    /// How many partitions a broker leads.
    pub(super) fn leaders(&self, broker: BrokerIndex) -> u32 {
        if self.matters {
            self.leaders[broker.get()]
        } else {
            0
        }
    }

    /// How crowded a broker is for a topic: by the topic's replicas there first, then by all replicas.
    pub(super) fn crowd(&self, topic: TopicIndex, broker: BrokerIndex) -> (u16, u32) {
        if !self.matters {
            return (0, 0);
        }
        let of_topic = self.of_topic.get(self.place(topic, broker));
        (of_topic.copied().unwrap_or(0), self.replicas[broker.get()])
    }
}
