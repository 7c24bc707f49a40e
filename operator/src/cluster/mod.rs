//! A spec that makes sense.
//!
//! [`Cluster::validate`] turns what a user wrote into what can be built, or says everything that is wrong with it. What
//! is built, and what is done with a running cluster, is decided from a [`Cluster`] alone.

mod balancing;
mod cluster_id;
mod image;
mod listeners;
mod names;
mod problem;
mod properties;
mod quantity;
mod topics;
mod zookeeper;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;

use crate::crd::{self, EMPTY_DIR, Kafkacluster, KafkaclusterSpec, VolumeDeletionPolicy};
pub use cluster_id::ClusterId;
pub use image::Image;
use image::{FIRST_WITH_KRAFT, FIRST_WITH_USERS_IN_KRAFT, FIRST_WITHOUT_ZOOKEEPER};
pub use listeners::User;
use names::MAX_CLUSTER_NAME;
pub use names::{CLIENT_PORT, CONTROLLER_PORT, EXTERNAL_PORT, FIRST_CONTROLLER_ID, Names, REPLICATION_PORT};
pub use problem::Problem;
use problem::Problems;
pub use properties::{LIVE, Properties};
pub use quantity::{Amount, InvalidQuantity, disk_bytes};
pub use topics::Topic;
pub use zookeeper::ZooKeeperConnect;

/// Prefixes of labels and annotations that users leave to the operator.
const OWN_PREFIXES: [&str; 2] = ["krallistic.github.com/", "app.kubernetes.io/"];

/// Labels by which pods of a cluster are selected, which users leave to the operator too.
const OWN_LABELS: [&str; 5] = ["component", "creator", "name", "role", "type"];

/// What a `Kafkacluster` asks for, complete and without contradiction.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Cluster {
    /// What everything is called.
    pub names: Names,
    /// Whose all objects are; none for a manifest that was never applied.
    pub owner: Option<OwnerReference>,
    /// How many brokers there should be. Their ids are the numbers below it.
    pub brokers: u16,
    /// Who keeps the metadata.
    pub metadata: Metadata,
    /// The image of brokers and controllers.
    pub image: Image,
    /// What each broker is given.
    pub resources: Resources,
    /// Where each broker's data is.
    pub storage: Storage,
    /// Properties of brokers that users asked for.
    pub properties: Properties,
    /// Topics that should be there.
    pub topics: Vec<Topic>,
    /// How clients reach brokers.
    pub listeners: crd::Listeners,
    /// Users with passwords.
    pub users: Vec<User>,
    /// Where pods may run, and what is added to them.
    pub placement: Placement,
    /// Whether brokers have sidecars.
    pub jmx_sidecar: bool,
    /// Settings of sidecars and of the exporter of consumer lag.
    pub sidecar: crd::SidecarSpec,
    /// The balancer's image where one is named.
    pub balancer_image: Option<String>,
    /// The balancer's configuration, but for how it reaches its cluster and where it serves.
    pub balancer: balancer::config::Config,
}

/// Who keeps the metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Metadata {
    /// ZooKeeper, which is the user's.
    ZooKeeper(ZooKeeperConnect),
    /// Controllers of the cluster's own, so many.
    KRaft {
        /// 1, 3, 5 or 7.
        controllers: u16,
    },
}

/// What each broker is given.
#[derive(Debug, Clone, PartialEq)]
pub struct Resources {
    /// Cores, in thousandths.
    pub cpu: Amount,
    /// Bytes.
    pub memory: Amount,
}

/// Where each broker's data is.
#[derive(Debug, Clone, PartialEq)]
pub enum Storage {
    /// In the pod, and gone with it; so many bytes at most.
    EmptyDir(Amount),
    /// On a volume of its own.
    Volume {
        /// Its class; the default one when none.
        class: Option<String>,
        /// Its size in bytes.
        size: Amount,
        /// What becomes of it when its broker is removed.
        deletion: VolumeDeletionPolicy,
    },
}

/// Where pods may run, and what is added to them.
#[derive(Debug, Clone, PartialEq)]
pub struct Placement {
    /// Labels of nodes.
    pub node_selector: BTreeMap<String, String>,
    /// The label of nodes that names their rack.
    pub rack_key: Option<String>,
    /// Seconds on a node that cannot be reached.
    pub grace_seconds: i64,
    /// What users add to pods.
    pub pod: crd::PodSpec,
}

impl Resources {
    /// Bytes of the JVM's heap: three fifths of the memory, whole mebibytes, and no more than 4 GiB, since what Kafka
    /// does not keep in its heap the page cache makes good use of.
    pub fn heap_bytes(&self) -> u64 {
        const MOST: u64 = 4 << 30;
        const MEBIBYTE: u64 = 1 << 20;
        let heap = (self.memory.number() / 5 * 3).min(MOST);
        heap / MEBIBYTE * MEBIBYTE
    }
}

impl Metadata {
    /// Whether the cluster has controllers of its own.
    pub fn is_kraft(&self) -> bool {
        matches!(self, Self::KRaft { .. })
    }
}

impl Cluster {
    /// Takes a spec for a cluster.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, each with its field, cause and cure.
    pub fn validate(object: &Kafkacluster) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        let cluster = read(object, &mut problems);
        problems.none_or(cluster)
    }

    /// What clients give as `security.protocol`.
    pub fn client_protocol(&self) -> &'static str {
        match (&self.listeners.tls, &self.listeners.sasl) {
            (None, None) => "PLAINTEXT",
            (Some(_), None) => "SSL",
            (None, Some(_)) => "SASL_PLAINTEXT",
            (Some(_), Some(_)) => "SASL_SSL",
        }
    }
}

fn read(object: &Kafkacluster, problems: &mut Problems) -> Option<Cluster> {
    let spec = &object.spec;
    let names = names(object, problems);
    let brokers = u16::try_from(spec.broker_count)
        .ok()
        .filter(|count| (1..=FIRST_CONTROLLER_ID).contains(count));
    if brokers.is_none() {
        let cause = format!("{} is not between 1 and {FIRST_CONTROLLER_ID}", spec.broker_count);
        problems.note(
            "spec.brokerCount",
            cause,
            "write how many brokers there should be",
        );
    }
    let image = image(spec, problems);
    let metadata = metadata(spec, problems);
    let resources = resources(spec, problems);
    let storage = storage(spec, problems);
    let properties = properties::read(spec, problems);
    replication_fits(&properties, brokers.unwrap_or(u16::MAX), problems);
    let topics = topics::read(&spec.topics, brokers.unwrap_or(u16::MAX), &properties, problems);
    listeners::check(spec, problems);
    let placement = placement(spec, problems);
    programs(spec, problems);
    let balancer = balancing::read(&spec.balancer, problems);
    Some(Cluster {
        owner: object.controller_owner_ref(&()),
        names: names?,
        brokers: brokers?,
        metadata: metadata?,
        image: image?,
        resources: resources?,
        storage: storage?,
        properties,
        topics,
        users: listeners::users(spec),
        listeners: spec.listeners.clone(),
        placement,
        jmx_sidecar: spec.jmx_sidecar,
        sidecar: spec.sidecar.clone(),
        balancer_image: spec.balancer.image.clone(),
        balancer: balancer?,
    })
}

fn names(object: &Kafkacluster, problems: &mut Problems) -> Option<Names> {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    // A manifest without a namespace goes to that of whoever applies it.
    let namespace = object.metadata.namespace.as_deref().unwrap_or("default");
    let cure = format!(
        "use a name of at most {MAX_CLUSTER_NAME} lower-case letters, digits and hyphens that begins with a letter"
    );
    problems.check("metadata.name", cure, Names::new(name, namespace))
}

fn image(spec: &KafkaclusterSpec, problems: &mut Problems) -> Option<Image> {
    const FIELD: &str = "spec.image";
    let cure = "write it as confluentinc/cp-kafka:7.9.2 or apache/kafka:4.3.1";
    let image = problems.check(FIELD, cure, Image::parse(&spec.image))?;
    if let Some(reason) = image.unusable_layout() {
        let cause = format!("`{image}` cannot be used: {reason}");
        problems.note(FIELD, cause, "use apache/kafka or confluentinc/cp-kafka");
    }
    match (image.kafka_version(), &spec.zookeeper_connect) {
        (Some(version), Some(_)) if version >= FIRST_WITHOUT_ZOOKEEPER => {
            let cause = format!(
                "`{image}` has a Kafka without ZooKeeper mode, which ended with Kafka 3.9, and spec.zookeeperConnect is set"
            );
            let cure = "use confluentinc/cp-kafka:7.9.2 or apache/kafka:3.9.2, or remove spec.zookeeperConnect to run in KRaft mode";
            problems.note(FIELD, cause, cure);
        }
        (Some(version), None) if version < FIRST_WITH_KRAFT => {
            let cause = format!("`{image}` has a Kafka before 3.3, which is not ready for KRaft mode");
            let cure = "use a newer one, such as apache/kafka:4.3.1, or set spec.zookeeperConnect";
            problems.note(FIELD, cause, cure);
        }
        (Some(version), None) if version < FIRST_WITH_USERS_IN_KRAFT && spec.listeners.sasl.is_some() => {
            let cause =
                format!("`{image}` has a Kafka before 3.5, which has no users with passwords in KRaft mode");
            let cure = "use a newer one, such as apache/kafka:4.3.1, or remove spec.listeners.sasl";
            problems.note(FIELD, cause, cure);
        }
        _ => {}
    }
    Some(image)
}

fn metadata(spec: &KafkaclusterSpec, problems: &mut Problems) -> Option<Metadata> {
    const FIELD: &str = "spec.controllerCount";
    const DEFAULT_CONTROLLERS: i32 = 3;
    match (&spec.zookeeper_connect, spec.controller_count) {
        (Some(_), Some(_)) => {
            let cause = "has no use with spec.zookeeperConnect, since only KRaft has controllers of its own";
            problems.note(FIELD, cause, "remove one of the two");
            None
        }
        (Some(connect), None) => {
            let cure = "write hosts separated by commas, such as zk-0.zk:2181,zk-1.zk:2181/kafka";
            let connect = ZooKeeperConnect::parse(connect);
            problems
                .check("spec.zookeeperConnect", cure, connect)
                .map(Metadata::ZooKeeper)
        }
        (None, count) => {
            let count = count.unwrap_or(DEFAULT_CONTROLLERS);
            let odd = u16::try_from(count)
                .ok()
                .filter(|count| matches!(count, 1 | 3 | 5 | 7));
            if odd.is_none() {
                let cause = format!(
                    "is {count}; a quorum is of an odd number, since one more bears no more failures"
                );
                problems.note(FIELD, cause, "write 1, 3, 5 or 7");
            }
            odd.map(|controllers| Metadata::KRaft { controllers })
        }
    }
}

fn resources(spec: &KafkaclusterSpec, problems: &mut Problems) -> Option<Resources> {
    let cpu = Amount::parse(&spec.resources.cpu, quantity::CPU);
    let memory = Amount::parse(&spec.resources.memory, quantity::MEMORY);
    let cpu = problems.check("spec.resources.cpu", "write cores, such as \"1\" or 500m", cpu);
    let memory = problems.check("spec.resources.memory", "write bytes, such as 4Gi", memory);
    Some(Resources {
        cpu: cpu?,
        memory: memory?,
    })
}

fn storage(spec: &KafkaclusterSpec, problems: &mut Problems) -> Option<Storage> {
    let size = Amount::parse(&spec.resources.disk_space, quantity::DISK);
    let size = problems.check("spec.resources.diskSpace", "write bytes, such as 100G", size)?;
    Some(match spec.storage_class.as_deref() {
        Some(EMPTY_DIR) => Storage::EmptyDir(size),
        class => Storage::Volume {
            class: class.map(str::to_owned),
            size,
            deletion: spec.volume_deletion_policy,
        },
    })
}

/// Properties that say how many brokers something needs.
fn replication_fits(properties: &Properties, brokers: u16, problems: &mut Problems) {
    for property in [
        "default.replication.factor",
        "min.insync.replicas",
        "offsets.topic.replication.factor",
        "share.coordinator.state.topic.replication.factor",
        "transaction.state.log.min.isr",
        "transaction.state.log.replication.factor",
    ] {
        let number = properties
            .get(property)
            .and_then(|value| value.parse::<u32>().ok());
        if let Some(number) = number.filter(|number| *number > u32::from(brokers)) {
            let cause = format!("{property} is {number}, and there are {brokers} brokers");
            problems.note(
                "spec.kafkaOptions",
                cause,
                "lower it, or raise spec.brokerCount to at least as many",
            );
        }
    }
}

fn placement(spec: &KafkaclusterSpec, problems: &mut Problems) -> Placement {
    if spec.minimum_grace_period < 0 {
        let cause = format!("is {} seconds", spec.minimum_grace_period);
        problems.note("spec.minimumGracePeriod", cause, "write at least 0");
    }
    if let Some(key) = &spec.rack_topology_key {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        if key.is_empty() || !key.chars().all(allowed) {
            let cause = format!("`{key}` is no label of nodes");
            problems.note(
                "spec.rackTopologyKey",
                cause,
                "write it as topology.kubernetes.io/zone",
            );
        }
    }
    let own =
        |key: &str| OWN_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) || OWN_LABELS.contains(&key);
    for (field, keys) in [
        ("labels", &spec.pod.labels),
        ("annotations", &spec.pod.annotations),
    ] {
        for key in keys.keys().filter(|key| own(key)) {
            let cause = format!("`{key}` is the operator's");
            problems.note(format!("spec.pod.{field}"), cause, "use another key");
        }
    }
    Placement {
        node_selector: spec.node_selector.clone(),
        rack_key: spec.rack_topology_key.clone(),
        grace_seconds: spec.minimum_grace_period,
        pod: spec.pod.clone(),
    }
}

/// What is said of sidecars and the balancer, and is not in the balancer's own configuration.
fn programs(spec: &KafkaclusterSpec, problems: &mut Problems) {
    for (field, named) in [
        ("spec.sidecar.image", &spec.sidecar.image),
        ("spec.balancer.image", &spec.balancer.image),
    ] {
        if let Some(named) = named {
            problems.check(field, "write it as registry/name:tag", Image::parse(named));
        }
    }
    for (field, number, allowed) in [
        (
            "spec.sidecar.intervalSeconds",
            spec.sidecar.interval_seconds,
            1..=300,
        ),
        (
            "spec.sidecar.busiestPartitions",
            spec.sidecar.busiest_partitions,
            1..=100_000,
        ),
        (
            "spec.sidecar.seriesPerFamily",
            spec.sidecar.series_per_family,
            10..=1_000_000,
        ),
    ] {
        if let Some(number) = number.filter(|number| !allowed.contains(number)) {
            let cause = format!(
                "{number} is not between {} and {}",
                allowed.start(),
                allowed.end()
            );
            problems.note(field, cause, "write what is allowed");
        }
    }
    if spec.sidecar.granularity == Some(crd::Granularity::Topic) && spec.sidecar.busiest_partitions.is_some()
    {
        let cause = "has no use with granularity Topic, which has no series of partitions";
        problems.note("spec.sidecar.busiestPartitions", cause, "remove one of the two");
    }
}

#[cfg(test)]
mod tests;
