//! Collects rows in any order and makes a checked [`Model`] of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kafka::ids::{BrokerId, PartitionId, TopicName};
use thiserror::Error;

use super::{Broker, BrokerIndex, Layout, Model, PartitionIndex, PartitionLoad, Resource, Topic, TopicIndex};

/// Most brokers in a model; Kafka clusters have at most a few thousand.
pub(super) const MAX_BROKERS: usize = 20_000;
/// Most replicas in a model.
pub(super) const MAX_REPLICAS: usize = 50_000_000;
/// The most of any load or capacity; sums over every replica stay finite and exact enough below it.
pub(super) const MAX_FIGURE: f64 = 1e18;

/// Rows that contradict each other or what a cluster can be. Rows are counted in the order in which they were added.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum InvalidModel {
    /// No broker at all.
    #[error("brokers: there is none; a cluster has at least one")]
    NoBrokers,
    /// More rows than a model may have.
    #[error("{column}: more than {limit} rows are not supported")]
    TooMany {
        /// Which rows.
        column: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// A broker that is there twice.
    #[error("brokers[{row}].id: broker {id} is there twice")]
    RepeatedBroker {
        /// The second row.
        row: usize,
        /// Its id.
        id: BrokerId,
    },
    /// A capacity that cannot be.
    #[error("brokers[{row}].capacity.{resource}: {figure} is no number above 0 up to {MAX_FIGURE:e}")]
    Capacity {
        /// The row.
        row: usize,
        /// The resource.
        resource: &'static str,
        /// The figure.
        figure: f64,
    },
    /// A room that cannot be.
    #[error("brokers[{row}].room: {figure} is no number from 0 to {MAX_FIGURE:e}")]
    Room {
        /// The row.
        row: usize,
        /// The figure.
        figure: f64,
    },
    /// A load that cannot be.
    #[error("partitions[{row}].load.{field}: {figure} is no number from 0 to {MAX_FIGURE:e}")]
    Load {
        /// The row.
        row: usize,
        /// The field.
        field: &'static str,
        /// The figure.
        figure: f64,
    },
    /// A partition without replicas.
    #[error("partitions[{row}].replicas: there is none; every partition has at least one replica")]
    NoReplicas {
        /// The row.
        row: usize,
    },
    /// A replica on a broker that is not there.
    #[error("partitions[{row}].replicas: broker {id} is not among the brokers")]
    UnknownBroker {
        /// The row.
        row: usize,
        /// The broker.
        id: BrokerId,
    },
    /// Two replicas on one broker.
    #[error("partitions[{row}].replicas: broker {id} is there twice")]
    RepeatedReplica {
        /// The row.
        row: usize,
        /// The broker.
        id: BrokerId,
    },
    /// A leader without a replica.
    #[error("partitions[{row}].leader: broker {id} leads but has no replica")]
    LeaderElsewhere {
        /// The row.
        row: usize,
        /// The leader.
        id: BrokerId,
    },
    /// A partition that is there twice.
    #[error("partitions[{row}]: {topic}-{partition} is there twice")]
    RepeatedPartition {
        /// One of the rows.
        row: usize,
        /// The topic.
        topic: TopicName,
        /// The number.
        partition: PartitionId,
    },
}

/// One partition as it is added.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionRow<'a> {
    /// Its topic, as [`Builder::topic`] gave it.
    pub topic: TopicIndex,
    /// Its number.
    pub number: PartitionId,
    /// Its leader, if there is one.
    pub leader: Option<BrokerId>,
    /// Its replicas, the preferred leader first.
    pub replicas: &'a [BrokerId],
    /// Those of its replicas that are not in sync.
    pub lagging: &'a [BrokerId],
    /// Its load.
    pub load: PartitionLoad,
    /// Whether it is offline, being reassigned by somebody else, or of unknown size.
    pub immovable: bool,
}

/// Collects rows for a [`Model`]; brokers may come after the partitions that name them.
#[derive(Debug, Default)]
pub struct Builder {
    brokers: Vec<Broker>,
    topics: Vec<Topic>,
    topic_rows: HashMap<TopicName, TopicIndex>,
    topic_of: Vec<u32>,
    number: Vec<PartitionId>,
    leader: Vec<Option<BrokerId>>,
    replica_first: Vec<u32>,
    replicas: Vec<BrokerId>,
    lagging: Vec<(u32, BrokerId)>,
    loads: Vec<PartitionLoad>,
    immovable: Vec<bool>,
}

impl Builder {
    /// Adds a broker.
    pub fn broker(&mut self, broker: Broker) -> &mut Self {
        self.brokers.push(broker);
        self
    }

    /// Adds a topic, or finds it by its name.
    pub fn topic(&mut self, name: &TopicName, describe: impl FnOnce() -> Topic) -> TopicIndex {
        if let Some(&row) = self.topic_rows.get(name) {
            return row;
        }
        let row = TopicIndex(self.topics.len() as u32);
        self.topics.push(describe());
        self.topic_rows.insert(name.clone(), row);
        row
    }

    /// The topic of that name, if it was added.
    pub fn find_topic(&self, name: &str) -> Option<TopicIndex> {
        // The newest topic first: rows of one topic usually follow each other.
        let newest = self.topics.last().filter(|topic| topic.name.as_str() == name);
        if newest.is_some() {
            return Some(TopicIndex(self.topics.len() as u32 - 1));
        }
        self.topic_rows.get(&name.parse::<TopicName>().ok()?).copied()
    }

    /// Adds a partition.
    ///
    /// # Errors
    ///
    /// More replicas than a model may have.
    pub fn partition(&mut self, row: &PartitionRow<'_>) -> Result<&mut Self, InvalidModel> {
        if self.replicas.len() + row.replicas.len().max(1) > MAX_REPLICAS {
            return Err(InvalidModel::TooMany {
                column: "partitions",
                limit: MAX_REPLICAS,
            });
        }
        let place = self.number.len() as u32;
        self.lagging.extend(row.lagging.iter().map(|&id| (place, id)));
        self.topic_of.push(row.topic.0);
        self.number.push(row.number);
        self.leader.push(row.leader);
        self.replica_first.push(self.replicas.len() as u32);
        self.replicas.extend_from_slice(row.replicas);
        self.loads.push(row.load);
        self.immovable.push(row.immovable);
        Ok(self)
    }

    /// Leaves topics and brokers out of balance; see [`Topic::excluded`] and [`Broker::excluded`].
    pub fn exclude(&mut self, topic: impl Fn(&TopicName) -> bool, broker: impl Fn(BrokerId) -> bool) {
        for row in &mut self.topics {
            row.excluded |= topic(&row.name);
        }
        for row in &mut self.brokers {
            row.excluded |= broker(row.id);
        }
    }

    /// Makes the model.
    ///
    /// # Errors
    ///
    /// The first contradiction among the rows.
    pub fn build(mut self) -> Result<Model, InvalidModel> {
        let broker_rows = self.check_brokers()?;
        self.replica_first.push(self.replicas.len() as u32);
        let replicas = self.resolve(&broker_rows)?;
        self.check_loads()?;
        let order = self.order()?;
        let (racks, rack_count) = number_racks(&self.brokers);
        let lagging = self.lagging_rows(&order, &broker_rows);

        let mut layout = Layout {
            racks,
            rack_count,
            topic_first: vec![0; self.topics.len() + 1],
            topic_of: order.iter().map(|&row| self.topic_of[row as usize]).collect(),
            number: order.iter().map(|&row| self.number[row as usize]).collect(),
            leader: order
                .iter()
                .map(|&row| self.leader[row as usize].map(|id| broker_rows[&id]))
                .collect(),
            replica_first: Vec::with_capacity(order.len() + 1),
            replicas: Vec::with_capacity(replicas.len()),
            lagging,
            immovable: order.iter().map(|&row| self.immovable[row as usize]).collect(),
            brokers: self.brokers,
            topics: self.topics,
            broker_rows,
            topic_rows: self.topic_rows,
        };
        for &row in &order {
            let (first, end) = (
                self.replica_first[row as usize],
                self.replica_first[row as usize + 1],
            );
            layout.replica_first.push(layout.replicas.len() as u32);
            layout
                .replicas
                .extend_from_slice(&replicas[first as usize..end as usize]);
            layout.topic_first[self.topic_of[row as usize] as usize + 1] += 1;
        }
        layout.replica_first.push(layout.replicas.len() as u32);
        for topic in 0..layout.topics.len() {
            layout.topic_first[topic + 1] += layout.topic_first[topic];
        }
        let loads = order.iter().map(|&row| self.loads[row as usize]).collect();
        Ok(Model::assemble(Arc::new(layout), loads))
    }

    fn check_brokers(&self) -> Result<HashMap<BrokerId, BrokerIndex>, InvalidModel> {
        if self.brokers.is_empty() {
            return Err(InvalidModel::NoBrokers);
        }
        if self.brokers.len() > MAX_BROKERS {
            return Err(InvalidModel::TooMany {
                column: "brokers",
                limit: MAX_BROKERS,
            });
        }
        let mut rows = HashMap::with_capacity(self.brokers.len());
        for (row, broker) in self.brokers.iter().enumerate() {
            if rows.insert(broker.id, BrokerIndex(row as u32)).is_some() {
                return Err(InvalidModel::RepeatedBroker { row, id: broker.id });
            }
            if let Some(figure) = broker.room.filter(|room| !(0.0..=MAX_FIGURE).contains(room)) {
                return Err(InvalidModel::Room { row, figure });
            }
            for resource in Resource::ALL {
                let figure = broker.capacity[resource];
                if !(figure > 0.0 && figure <= MAX_FIGURE) {
                    return Err(InvalidModel::Capacity {
                        row,
                        resource: resource.name(),
                        figure,
                    });
                }
            }
        }
        Ok(rows)
    }

    /// Broker rows instead of ids, in the same flat order.
    fn resolve(&self, rows: &HashMap<BrokerId, BrokerIndex>) -> Result<Vec<BrokerIndex>, InvalidModel> {
        let mut resolved: Vec<BrokerIndex> = Vec::with_capacity(self.replicas.len());
        for row in 0..self.number.len() {
            let first = self.replica_first[row] as usize;
            let own = &self.replicas[first..self.replica_first[row + 1] as usize];
            if own.is_empty() {
                return Err(InvalidModel::NoReplicas { row });
            }
            for &id in own {
                let &broker = rows.get(&id).ok_or(InvalidModel::UnknownBroker { row, id })?;
                if resolved[first..].contains(&broker) {
                    return Err(InvalidModel::RepeatedReplica { row, id });
                }
                resolved.push(broker);
            }
            if let Some(id) = self.leader[row]
                && !own.contains(&id)
            {
                return Err(InvalidModel::LeaderElsewhere { row, id });
            }
        }
        Ok(resolved)
    }

    /// The replicas that are not in sync, by where their partitions end up.
    fn lagging_rows(
        &self,
        order: &[u32],
        brokers: &HashMap<BrokerId, BrokerIndex>,
    ) -> HashSet<(PartitionIndex, BrokerIndex)> {
        if self.lagging.is_empty() {
            return HashSet::new();
        }
        let places: HashMap<u32, u32> = order.iter().copied().zip(0..).collect();
        let resolve = |(row, id): &(u32, BrokerId)| {
            let partition = PartitionIndex(*places.get(row)?);
            Some((partition, *brokers.get(id)?))
        };
        self.lagging.iter().filter_map(resolve).collect()
    }

    fn check_loads(&self) -> Result<(), InvalidModel> {
        for (row, load) in self.loads.iter().enumerate() {
            let figures = [
                ("bytes_in", load.bytes_in),
                ("bytes_out", load.bytes_out),
                ("disk", load.disk),
                ("cpu_leader", load.cpu_leader),
                ("cpu_follower", load.cpu_follower),
            ];
            for (field, figure) in figures {
                if !(0.0..=MAX_FIGURE).contains(&figure) {
                    return Err(InvalidModel::Load { row, field, figure });
                }
            }
        }
        Ok(())
    }

    /// The rows by topic, then by number.
    fn order(&self) -> Result<Vec<u32>, InvalidModel> {
        let key = |row: u32| (self.topic_of[row as usize], self.number[row as usize]);
        let mut order: Vec<u32> = (0..self.number.len() as u32).collect();
        order.sort_by_key(|&row| key(row));
        match order.windows(2).find(|pair| key(pair[0]) == key(pair[1])) {
            None => Ok(order),
            Some(pair) => Err(InvalidModel::RepeatedPartition {
                row: pair[1] as usize,
                topic: self.topics[self.topic_of[pair[1] as usize] as usize].name.clone(),
                partition: self.number[pair[1] as usize],
            }),
        }
    }
}

fn number_racks(brokers: &[Broker]) -> (Vec<u32>, u32) {
    let mut known: HashMap<&str, u32> = HashMap::new();
    let mut count = 0;
    let mut next = || {
        count += 1;
        count - 1
    };
    let racks = brokers
        .iter()
        .map(|broker| match &broker.rack {
            Some(rack) => *known.entry(rack).or_insert_with(&mut next),
            None => next(),
        })
        .collect();
    (racks, count)
}

impl PartialEq for Model {
    /// Whether both describe the same cluster under the same load, whatever the order of their rows' making.
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (&*self.layout, &*other.layout);
        a.brokers == b.brokers
            && a.topics == b.topics
            && a.topic_of == b.topic_of
            && a.number == b.number
            && a.leader == b.leader
            && a.replica_first == b.replica_first
            && a.replicas == b.replicas
            && a.immovable == b.immovable
            && self.loads == other.loads
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BrokerState, PerResource};

    fn broker(id: i32) -> Broker {
        Broker {
            id: id.try_into().unwrap(),
            rack: None,
            state: BrokerState::Alive,
            capacity: PerResource::splat(100.0),
            room: None,
            excluded: false,
        }
    }

    #[test]
    fn a_broker_carries_the_sum_of_its_replicas_and_only_leaders_send() {
        let mut builder = Builder::default();
        builder.broker(broker(1)).broker(broker(2));
        let name: TopicName = "t".parse().unwrap();
        let topic = builder.topic(&name, || Topic {
            name: name.clone(),
            id: [0; 16],
            excluded: false,
        });
        let ids: Vec<BrokerId> = [1, 2].map(|id| id.try_into().unwrap()).to_vec();
        builder
            .partition(&PartitionRow {
                topic,
                number: 0.try_into().unwrap(),
                leader: Some(ids[1]),
                replicas: &ids,
                lagging: &[],
                load: PartitionLoad {
                    bytes_in: 30.0,
                    bytes_out: 60.0,
                    disk: 10.0,
                    cpu_leader: 2.0,
                    cpu_follower: 1.0,
                },
                immovable: false,
            })
            .unwrap();
        let model = builder.build().unwrap();
        let loads: Vec<_> = model.brokers().map(|b| *model.broker_load(b)).collect();
        assert_eq!(loads[0].bytes_out, 0.0);
        assert_eq!(loads[1].bytes_out, 60.0);
        assert_eq!((loads[0].cpu, loads[1].cpu), (1.0, 2.0));
        assert_eq!(model.mean_utilisation().bytes_in, 0.3);
        assert_eq!(model.imbalance().bytes_out, 2.0);
        assert_eq!(model.imbalance().bytes_in, 1.0);
        assert_eq!(model.worst_imbalance(&PerResource::default()), 2.0);
        assert_eq!(model.worst_imbalance(&PerResource::splat(1.0)), 1.0);
    }
}
