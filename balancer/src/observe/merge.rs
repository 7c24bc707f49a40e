//! From reports and metadata to one model: pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use kafka::cluster::{ClusterDescription, Partition};
use kafka::ids::{BrokerId, TopicName, TopicPartition};
use sidecar::report::{BrokerTotals, LoadReport};

use crate::config::{CapacitySettings, Exclusions};
use crate::model::{
    Broker, BrokerState, Builder, InvalidModel, Model, PartitionLoad, PartitionRow, PerResource, Topic,
};

/// Cores that a broker is taken to have when neither its report nor the configuration tells.
const UNKNOWN_CORES: f64 = 1.0;

/// Bytes that a broker is taken to hold when neither its report nor the configuration tells: so much that disk is never
/// what makes it hot.
const UNKNOWN_DISK: f64 = 1e15;

/// Processor time of a byte, relative to a byte that a leader receives: what a leader sends, and what a follower
/// receives, costs about a fifth. The ratios are those by which Cruise Control estimates (`ModelParameters`); only the
/// proportions matter, since each broker's total is measured.
const CPU_OF_BYTE_OUT: f64 = 0.2;
/// See [`CPU_OF_BYTE_OUT`].
const CPU_OF_BYTE_FOLLOWED: f64 = 0.2;

/// Where a broker's figures come from.
#[derive(Debug, Clone, PartialEq)]
pub enum BrokerSource {
    /// Its sidecar's report.
    Sidecar {
        /// When its later sample was taken, in milliseconds since the Unix epoch.
        sampled_at_ms: u64,
    },
    /// The Kafka protocol.
    Protocol {
        /// Why there is no report.
        reason: String,
    },
    /// Nothing; the last known figures stand.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// What is known of one broker.
#[derive(Debug, Clone)]
pub struct BrokerReport {
    /// Its report, whoever made it; none when nothing is known.
    pub report: Option<LoadReport>,
    /// Where that came from.
    pub source: BrokerSource,
}

/// Everything that a model is made of.
#[derive(Debug)]
pub struct Look<'a> {
    /// Kafka's metadata.
    pub description: &'a ClusterDescription,
    /// What is known of each live broker.
    pub reports: &'a BTreeMap<BrokerId, BrokerReport>,
    /// Brokers that are to be emptied.
    pub draining: &'a BTreeSet<BrokerId>,
    /// Partitions that somebody else is reassigning.
    pub foreign: &'a BTreeSet<TopicPartition>,
    /// What brokers can carry.
    pub capacity: &'a CapacitySettings,
    /// What is left alone.
    pub exclude: &'a Exclusions,
    /// The journal's topic, which stays where it is.
    pub journal: &'a TopicName,
}

/// The cluster as it was seen in one tick.
#[derive(Debug, Clone)]
pub struct Sight {
    /// Who has what, and the load of the last window.
    pub model: Model,
    /// Where each broker's figures come from.
    pub sources: BTreeMap<BrokerId, BrokerSource>,
    /// Each broker's own figures.
    pub totals: BTreeMap<BrokerId, BrokerTotals>,
}

/// Makes a [`Sight`] of each [`Look`], keeping the last known figures of what cannot be seen for a while.
#[derive(Debug, Default)]
pub struct Merger {
    last: Option<Known>,
}

/// What is known of a cluster.
#[derive(Debug)]
struct Known {
    model: Model,
    /// By the model's partitions, whether anybody has ever told how large they are.
    sized: Vec<bool>,
}

/// Columns over all partitions in the description's order.
struct Seen {
    bytes_in: Vec<Option<f64>>,
    consumed: Vec<f64>,
    disk: Vec<Option<f64>>,
}

/// Columns over all partitions in the description's order.
struct Loads {
    load: Vec<PartitionLoad>,
    sized: Vec<bool>,
}

impl Merger {
    /// Merges one look.
    ///
    /// # Errors
    ///
    /// Metadata that contradict themselves.
    pub fn merge(&mut self, look: &Look<'_>) -> Result<Sight, InvalidModel> {
        let rows = RowIndex::new(look.description);
        let mut loads = self.loads(look, &rows);
        spread_cpu(look, &mut loads.load);
        let last = self.last.as_ref().map(|last| &last.model);
        let model = build(look, &loads, last)?;
        self.last = Some(Known {
            model: model.clone(),
            sized: loads.sized,
        });
        let sources = look
            .reports
            .iter()
            .map(|(id, known)| (*id, known.source.clone()))
            .collect();
        let totals = look
            .reports
            .iter()
            .filter_map(|(id, known)| Some((*id, known.report.as_ref()?.totals.clone())))
            .collect();
        Ok(Sight {
            model,
            sources,
            totals,
        })
    }

    fn loads(&self, look: &Look<'_>, rows: &RowIndex<'_>) -> Loads {
        let seen = read_reports(look, rows);
        let mut loads = Loads {
            load: Vec::with_capacity(rows.count),
            sized: Vec::with_capacity(rows.count),
        };
        for topic in &look.description.topics {
            for partition in &topic.partitions {
                let row = loads.load.len();
                let followers = partition.in_sync.len().saturating_sub(1) as f64;
                let told = seen.bytes_in[row].map(|bytes_in| PartitionLoad {
                    bytes_in,
                    bytes_out: seen.consumed[row] + bytes_in * followers,
                    ..PartitionLoad::default()
                });
                let (load, sized) = match (told, seen.disk[row]) {
                    (Some(told), Some(disk)) => (PartitionLoad { disk, ..told }, true),
                    (told, disk) => {
                        let (last, was_sized) = self.last(&topic.name, partition);
                        let load = PartitionLoad {
                            disk: disk.unwrap_or(last.disk),
                            ..told.unwrap_or(last)
                        };
                        (load, disk.is_some() || was_sized)
                    }
                };
                loads.load.push(load);
                loads.sized.push(sized);
            }
        }
        loads
    }

    /// What was known of a partition, and whether its size was.
    fn last(&self, topic: &TopicName, partition: &Partition) -> (PartitionLoad, bool) {
        let name = TopicPartition::new(topic.clone(), partition.id);
        let known = self.last.as_ref().and_then(|last| {
            let index = last.model.find(&name)?;
            Some((*last.model.load(index), last.sized[index.get()]))
        });
        known.unwrap_or_default()
    }
}

/// Finds a partition's row in the description's order.
struct RowIndex<'a> {
    description: &'a ClusterDescription,
    topics: HashMap<&'a str, (usize, usize)>,
    count: usize,
}

impl<'a> RowIndex<'a> {
    fn new(description: &'a ClusterDescription) -> Self {
        let mut topics = HashMap::with_capacity(description.topics.len());
        let mut count = 0;
        for (position, topic) in description.topics.iter().enumerate() {
            topics.insert(topic.name.as_str(), (position, count));
            count += topic.partitions.len();
        }
        Self {
            description,
            topics,
            count,
        }
    }

    /// The rows of a report's replicas; none for those that the metadata does not have (any more).
    fn of_report(&self, report: &LoadReport) -> Vec<Option<(usize, &'a Partition)>> {
        let topics: Vec<_> = report
            .topics
            .iter()
            .map(|name| self.topics.get(name.as_str()))
            .collect();
        let rows = report.replicas.topic.iter().zip(&report.replicas.partition);
        rows.map(|(&topic, &number)| {
            let &(position, first) = topics[topic as usize]?;
            let partitions = &self.description.topics[position].partitions;
            let place = partitions
                .binary_search_by_key(&number, |partition| partition.id)
                .ok()?;
            Some((first + place, &partitions[place]))
        })
        .collect()
    }
}

/// Takes each partition's rates from its leader's report. Right after the leader has changed, the report of the one
/// before may be all there is.
fn read_reports(look: &Look<'_>, rows: &RowIndex<'_>) -> Seen {
    let mut seen = Seen {
        bytes_in: vec![None; rows.count],
        consumed: vec![0.0; rows.count],
        disk: vec![None; rows.count],
    };
    let mut from_leader = vec![false; rows.count];
    for (broker, known) in look.reports {
        let Some(report) = &known.report else { continue };
        let columns = &report.replicas;
        for (index, place) in rows.of_report(report).into_iter().enumerate() {
            let Some((row, partition)) = place else { continue };
            // Followers that are catching up hold less than the whole.
            let size = columns.size[index] as f64;
            seen.disk[row] = Some(seen.disk[row].unwrap_or(0.0).max(size));
            if columns.leads[index] == 0 || from_leader[row] {
                continue;
            }
            seen.bytes_in[row] = Some(columns.bytes_in[index] as f64);
            seen.consumed[row] = columns.bytes_out[index] as f64;
            from_leader[row] = partition.leader == Some(*broker);
        }
    }
    seen
}

/// Divides each broker's measured processor time over its replicas, by the bytes that they move.
fn spread_cpu(look: &Look<'_>, loads: &mut [PartitionLoad]) {
    let mut weight: HashMap<BrokerId, f64> = HashMap::new();
    for (partition, load) in partitions(look.description).zip(loads.iter()) {
        for (broker, leads) in carriers(partition) {
            *weight.entry(broker).or_default() += cpu_weight(load, leads);
        }
    }
    let cores_per_weight: HashMap<BrokerId, f64> = look
        .reports
        .iter()
        .filter_map(|(id, known)| {
            let used = known.report.as_ref()?.totals.cpu_cores_used?;
            let weight = weight.get(id).copied().filter(|weight| *weight > 0.0)?;
            Some((*id, used / weight))
        })
        .collect();
    for (partition, load) in partitions(look.description).zip(loads) {
        let cost = |broker: BrokerId| cores_per_weight.get(&broker).copied();
        if let Some(cost) = partition.leader.and_then(cost) {
            load.cpu_leader = cost * cpu_weight(load, true);
        }
        let followers = || {
            carriers(partition)
                .filter(|(_, leads)| !leads)
                .filter_map(|(id, _)| cost(id))
        };
        let count = followers().count();
        if count > 0 {
            load.cpu_follower = followers().sum::<f64>() / count as f64 * cpu_weight(load, false);
        }
    }
}

fn cpu_weight(load: &PartitionLoad, leads: bool) -> f64 {
    if leads {
        load.bytes_in + CPU_OF_BYTE_OUT * load.bytes_out
    } else {
        CPU_OF_BYTE_FOLLOWED * load.bytes_in
    }
}

fn partitions(description: &ClusterDescription) -> impl Iterator<Item = &Partition> {
    description.topics.iter().flat_map(|topic| &topic.partitions)
}

fn carriers(partition: &Partition) -> impl Iterator<Item = (BrokerId, bool)> {
    partition
        .replicas
        .iter()
        .map(|&broker| (broker, partition.leader == Some(broker)))
}

fn build(look: &Look<'_>, loads: &Loads, last: Option<&Model>) -> Result<Model, InvalidModel> {
    let mut builder = Builder::default();
    for broker in brokers(look, last) {
        builder.broker(broker);
    }
    let mut row = 0;
    for topic in &look.description.topics {
        let index = builder.topic(&topic.name, || Topic {
            name: topic.name.clone(),
            id: topic.id,
            excluded: is_excluded(look, &topic.name),
        });
        for partition in &topic.partitions {
            let name = TopicPartition::new(topic.name.clone(), partition.id);
            let mut lagging = partition.replicas.clone();
            lagging.retain(|replica| !partition.in_sync.contains(replica));
            builder.partition(&PartitionRow {
                topic: index,
                number: partition.id,
                leader: partition.leader,
                replicas: &partition.replicas,
                lagging: &lagging,
                load: loads.load[row],
                // Nobody can say what copying something of unknown size costs, or whether there is room for it.
                immovable: partition.leader.is_none() || !loads.sized[row] || look.foreign.contains(&name),
            })?;
            row += 1;
        }
    }
    builder.build()
}

fn is_excluded(look: &Look<'_>, topic: &TopicName) -> bool {
    topic == look.journal
        || look.exclude.topics.contains(topic)
        || (look.exclude.internal_topics && topic.is_internal())
}

/// All brokers that live or that a replica is still said to be on. What nobody tells of one is what was known `last`.
fn brokers(look: &Look<'_>, last: Option<&Model>) -> Vec<Broker> {
    let last = |id| last.and_then(|model| Some(model.broker(model.find_broker(id)?)));
    let live: BTreeMap<BrokerId, Option<&String>> = look
        .description
        .brokers
        .iter()
        .map(|broker| (broker.id, broker.rack.as_ref()))
        .collect();
    let mut hosting: BTreeMap<BrokerId, usize> = live.keys().map(|&id| (id, 0)).collect();
    for partition in partitions(look.description) {
        for &broker in &partition.replicas {
            *hosting.entry(broker).or_default() += 1;
        }
    }
    let racks: HashMap<&str, Arc<str>> = live
        .values()
        .flatten()
        .map(|rack| (rack.as_str(), Arc::from(rack.as_str())))
        .collect();
    hosting
        .into_iter()
        .map(|(id, replicas)| Broker {
            id,
            rack: live
                .get(&id)
                .copied()
                .flatten()
                .map(|rack| Arc::clone(&racks[rack.as_str()])),
            state: match live.contains_key(&id) {
                false => BrokerState::Dead,
                true if look.draining.contains(&id) => BrokerState::Draining,
                true if replicas == 0 => BrokerState::New,
                true => BrokerState::Alive,
            },
            capacity: capacity(look, id, last(id)),
            room: look
                .reports
                .get(&id)
                .and_then(|known| fullest_room(known.report.as_ref()?))
                .map(|bytes| bytes as f64)
                .or_else(|| last(id)?.room),
            excluded: look.exclude.brokers.contains(&id),
        })
        .collect()
}

fn capacity(look: &Look<'_>, broker: BrokerId, last: Option<&Broker>) -> PerResource {
    let (bytes_in, bytes_out, cores, disk) = look.capacity.of(broker);
    let report = look.reports.get(&broker).and_then(|known| known.report.as_ref());
    let reported_cores = report
        .and_then(|report| report.totals.cpu_cores)
        .filter(|cores| *cores > 0.0);
    PerResource {
        bytes_in: bytes_in.bytes_per_second() as f64,
        bytes_out: bytes_out.bytes_per_second() as f64,
        cpu: cores
            .or(reported_cores)
            .or(last.map(|last| last.capacity.cpu))
            .unwrap_or(UNKNOWN_CORES),
        disk: disk
            .map(|disk| disk.bytes() as f64)
            .or_else(|| report.and_then(usable_disk))
            .or(last.map(|last| last.capacity.disk))
            .unwrap_or(UNKNOWN_DISK),
    }
}

/// What the log directories can hold: what their replicas take and what is free. Other files on the volume are nobody's
/// to move.
fn usable_disk(report: &LoadReport) -> Option<f64> {
    let volumes = report
        .log_dirs
        .iter()
        .map(|volume| Some(volume.used_bytes as f64 + volume.usable_bytes? as f64));
    volumes.sum::<Option<f64>>().filter(|bytes| *bytes > 0.0)
}

/// Bytes free in the log directory that has the least of them; see [`Broker::room`].
fn fullest_room(report: &LoadReport) -> Option<u64> {
    report
        .log_dirs
        .iter()
        .filter_map(|volume| volume.usable_bytes)
        .min()
}

#[cfg(test)]
mod tests;
