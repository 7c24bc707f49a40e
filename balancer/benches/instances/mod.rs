//! Clusters for tests and benches: Zipf topics, Zipf partitions within a topic, three replicas on distinct racks.

use balancer::model::{Broker, BrokerState, Builder, Model, PartitionLoad, PartitionRow, PerResource, Topic};
use kafka::ids::{BrokerId, TopicName};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// What a generated cluster looks like.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    /// How many brokers.
    pub(crate) brokers: usize,
    /// How many racks.
    pub(crate) racks: usize,
    /// How many partitions.
    pub(crate) partitions: usize,
    /// Replicas of each partition.
    pub(crate) replication: usize,
    /// The exponent of Zipf's law over topics.
    pub(crate) topics_exponent: f64,
    /// The exponent of Zipf's law over a topic's partitions.
    pub(crate) partitions_exponent: f64,
    /// Mean utilisation of brokers.
    pub(crate) utilisation: f64,
    /// One partition gets this part of a broker's capacity as bytes in.
    pub(crate) hot: Option<f64>,
    /// So many brokers are new and empty.
    pub(crate) new: usize,
    /// So many brokers are draining.
    pub(crate) draining: usize,
    /// In each rack every third broker has half of the capacity of the others.
    pub(crate) unequal: bool,
    /// Ids are this far apart.
    pub(crate) id_step: usize,
    /// Chooses everything else.
    pub(crate) seed: u64,
}

impl Default for Instance {
    fn default() -> Self {
        Self {
            brokers: 6,
            racks: 3,
            partitions: 333,
            replication: 3,
            topics_exponent: 1.0,
            partitions_exponent: 0.5,
            utilisation: 0.5,
            hot: None,
            new: 0,
            draining: 0,
            unequal: false,
            id_step: 1,
            seed: 1,
        }
    }
}

impl Instance {
    /// Makes the cluster.
    pub(crate) fn model(&self) -> Model {
        let mut random = Pcg64Mcg::seed_from_u64(self.seed);
        let mut builder = Builder::default();
        let used = self.brokers - self.new;
        for id in 0..self.brokers {
            let state = match id {
                id if id >= used => BrokerState::New,
                id if id < self.draining => BrokerState::Draining,
                _ => BrokerState::Alive,
            };
            let is_small = self.unequal && (id / self.racks).is_multiple_of(3);
            let size = if is_small { 0.5 } else { 1.0 };
            builder.broker(Broker {
                id: ((id * self.id_step) as i32).try_into().unwrap(),
                rack: Some(format!("r{}", id % self.racks).into()),
                state,
                capacity: PerResource {
                    bytes_in: 3e8 * size,
                    bytes_out: 9e8 * size,
                    cpu: 100.0 * size,
                    disk: 1e12 * size,
                },
                room: None,
                excluded: false,
            });
        }
        for row in self.rows(&mut random) {
            let topic = builder.topic(&row.topic, || Topic {
                name: row.topic.clone(),
                id: [0; 16],
                excluded: false,
            });
            let replicas = self.replicas(used, &mut random);
            builder
                .partition(&PartitionRow {
                    topic,
                    number: row.number.try_into().unwrap(),
                    leader: Some(replicas[0]),
                    replicas: &replicas,
                    lagging: &[],
                    load: row.load,
                    immovable: false,
                })
                .unwrap();
        }
        builder.build().unwrap()
    }

    fn replicas(&self, used: usize, random: &mut Pcg64Mcg) -> Vec<BrokerId> {
        let mut racks: Vec<usize> = (0..self.racks.min(used)).collect();
        racks.shuffle(random);
        let mut chosen: Vec<usize> = Vec::new();
        for rack in racks.iter().cycle() {
            if chosen.len() == self.replication.min(used) {
                break;
            }
            let of_rack = (used - rack).div_ceil(self.racks);
            let id = rack + self.racks * random.random_range(0..of_rack);
            if !chosen.contains(&id) {
                chosen.push(id);
            }
        }
        chosen
            .into_iter()
            .map(|id| ((id * self.id_step) as i32).try_into().unwrap())
            .collect()
    }

    fn rows(&self, random: &mut Pcg64Mcg) -> Vec<Row> {
        let topics = (self.partitions / 30).max(1);
        let mut rows: Vec<Row> = Vec::with_capacity(self.partitions);
        for topic in 0..topics {
            let count = self.partitions / topics + usize::from(topic < self.partitions % topics);
            let name: TopicName = format!("topic-{topic}").parse().unwrap();
            let popularity = ((topic + 1) as f64).powf(-self.topics_exponent);
            let mut ranks: Vec<usize> = (0..count).collect();
            ranks.shuffle(random);
            let (fan_out, days) = (random.random_range(2.0..5.0), random.random_range(0.3..3.0));
            for (number, rank) in ranks.into_iter().enumerate() {
                let weight = popularity * ((rank + 1) as f64).powf(-self.partitions_exponent) + 1e-6;
                let weight = weight * random.random_range(0.8..1.2);
                rows.push(Row {
                    topic: name.clone(),
                    number: number as i32,
                    load: PartitionLoad {
                        bytes_in: weight,
                        bytes_out: weight * fan_out,
                        disk: weight * days * random.random_range(0.7..1.4),
                        cpu_leader: weight * (1.0 + fan_out),
                        cpu_follower: weight,
                    },
                });
            }
        }
        self.scale(&mut rows);
        if let Some(part) = self.hot {
            let load = &mut rows[self.partitions / 2].load;
            load.bytes_in = part * 3e8;
            load.bytes_out = 2.0 * load.bytes_in;
        }
        rows
    }

    /// Brings the sums to the utilisation asked for, and keeps one partition below a third of what a broker carries.
    fn scale(&self, rows: &mut [Row]) {
        let brokers = self.brokers as f64;
        let replication = self.replication as f64;
        let most = rows.iter().map(|row| row.load.bytes_in).sum::<f64>() * replication / brokers / 3.0;
        for row in rows.iter_mut() {
            let factor = (most / row.load.bytes_in).min(1.0);
            let load = &mut row.load;
            for figure in [
                &mut load.bytes_in,
                &mut load.bytes_out,
                &mut load.disk,
                &mut load.cpu_leader,
                &mut load.cpu_follower,
            ] {
                *figure *= factor;
            }
        }
        let sum =
            |figure: &dyn Fn(&PartitionLoad) -> f64| rows.iter().map(|row| figure(&row.load)).sum::<f64>();
        let bytes_in = self.utilisation * 3e8 * brokers / (replication * sum(&|load| load.bytes_in));
        let bytes_out = self.utilisation * 9e8 * brokers / sum(&|load| load.bytes_out);
        let disk = self.utilisation * 1e12 * brokers / (replication * sum(&|load| load.disk));
        let cpu = self.utilisation * 100.0 * brokers
            / sum(&|load| load.cpu_leader + load.cpu_follower * (replication - 1.0));
        for row in rows {
            row.load.bytes_in *= bytes_in;
            row.load.bytes_out *= bytes_out;
            row.load.disk *= disk;
            row.load.cpu_leader *= cpu;
            row.load.cpu_follower *= cpu;
        }
    }
}

struct Row {
    topic: TopicName,
    number: i32,
    load: PartitionLoad,
}
