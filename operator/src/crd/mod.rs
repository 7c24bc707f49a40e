//! The custom resource: what a user writes, and what the operator answers.
//!
//! The schema that Kubernetes checks and `kubectl explain` shows is generated from these types. They say what has the
//! right shape; whether it makes sense together is for [`crate::cluster`] to say.

#![expect(
    unreachable_pub,
    reason = "KubeSchema's derive makes a hidden type with the visibility of ours"
)]

mod balancing;
mod document;
mod listeners;
mod options;
mod pod;
mod schema;
mod sidecar;
mod status;
mod topics;

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::{CustomResource, CustomResourceExt, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use balancing::{BalancerSpec, Capacity, Excluded, Limits, MaintenanceWindow, Mode, Thresholds, Weekday};
pub use document::markdown;
pub use listeners::{
    ClientAuthentication, ExternalListener, Listeners, PasswordSecret, Sasl, ScramMechanism, Tls, User,
};
pub use options::{KafkaOption, KafkaOptions};
pub use pod::PodSpec;
pub use sidecar::{Granularity, MetricNames, SidecarSpec};
pub use status::{BrokerState, BrokerStatus, ConditionType, KafkaclusterStatus, ListenerStatus, UserStatus};
pub use topics::Topic;

/// On a `Kafkacluster`, with the value `true`: nothing of it is changed until the annotation is gone.
pub const PAUSED_ANNOTATION: &str = "krallistic.github.com/paused";

/// The image of brokers and controllers where none is named.
pub const DEFAULT_IMAGE: &str = "apache/kafka:4.3.1";

/// The value of `storageClass` that stands for no volume at all.
pub const EMPTY_DIR: &str = "emptyDir";

/// A Kafka cluster: its brokers, its topics, and what watches over its balance.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "krallistic.github.com",
    version = "v1",
    kind = "Kafkacluster",
    plural = "kafkaclusters",
    shortname = "kc",
    category = "kafka",
    namespaced,
    derive = "PartialEq",
    status = "KafkaclusterStatus",
    doc = "A Kafka cluster: its brokers, its topics, and what watches over its balance.",
    scale(
        spec_replicas_path = ".spec.brokerCount",
        status_replicas_path = ".status.brokerCount",
        label_selector_path = ".status.selector"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        description = "Whether all brokers serve",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Brokers",
        type_ = "integer",
        description = "Brokers that there are",
        json_path = ".status.brokerCount"
    ),
    printcolumn(
        name = "Hot",
        type_ = "integer",
        description = "Hot brokers and partitions",
        json_path = ".status.hot"
    ),
    printcolumn(
        name = "Imbalance",
        type_ = "string",
        description = "The busiest broker's utilisation over the mean, in the resource where that is greatest; 1 where hardly anything is used",
        json_path = ".status.imbalance"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 40")
        .message("the name is longer than 40 characters, and names derived from it would be longer than Kubernetes takes"),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("the name is no host name: it begins with a letter and has lower-case letters, digits and hyphens only")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.zookeeperConnect) == has(oldSelf.zookeeperConnect)")
        .message("zookeeperConnect can be neither added nor taken away: a cluster cannot change between ZooKeeper and KRaft; make a new Kafkacluster and mirror into it"),
    validation = Rule::new("!(has(self.zookeeperConnect) && has(self.controllerCount))")
        .message("controllerCount has no use with zookeeperConnect: only KRaft has controllers of its own; remove one of the two"),
    validation = Rule::new("(has(self.controllerCount) ? self.controllerCount : 3) == (has(oldSelf.controllerCount) ? oldSelf.controllerCount : 3)")
        .message("controllerCount cannot change: the quorum's voters are fixed when the cluster is made"),
    validation = Rule::new("(has(self.listeners) && has(self.listeners.tls)) == (has(oldSelf.listeners) && has(oldSelf.listeners.tls))")
        .message("listeners.tls can be neither added nor taken away: brokers with TLS and brokers without cannot speak to each other; make a new Kafkacluster and mirror into it"),
    validation = Rule::new("(has(self.storageClass) ? self.storageClass : '') == (has(oldSelf.storageClass) ? oldSelf.storageClass : '')")
        .message("storageClass cannot change: volumes cannot move between classes; make a new Kafkacluster and mirror into it"),
    validation = Rule::new("(has(self.storageClass) && self.storageClass == 'emptyDir') || quantity(string(self.resources.diskSpace)).compareTo(quantity(string(oldSelf.resources.diskSpace))) >= 0")
        .message("resources.diskSpace cannot shrink: volumes only grow; drain brokers and add others, or make a new Kafkacluster")
)]
pub struct KafkaclusterSpec {
    /// How many brokers there are. More: they are added and the balancer gives them load. Fewer: those with the highest
    /// ids are emptied first and removed when Kafka confirms that they host nothing.
    #[schemars(range(min = 1, max = 1000))]
    pub broker_count: i32,

    /// The image of brokers and controllers: apache/kafka from 3.7 or confluentinc/cp-kafka, or one of the same layout.
    /// A changed image is rolled out a few brokers at a time, as far as each partition keeps min.insync.replicas; one that has
    /// no replica to spare waits for its broker.
    #[serde(default = "default_image")]
    #[schemars(length(min = 1, max = 500))]
    pub image: String,

    /// Where ZooKeeper is: hosts separated by commas, each with its port unless that is 2181, and a path if wanted. With
    /// it the cluster runs in ZooKeeper mode, which Kafka has up to 3.9 (cp-kafka 7.9); without it in KRaft mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2000))]
    pub zookeeper_connect: Option<String>,

    /// How many KRaft controllers there are; 3 unless said otherwise. An odd number, and fixed once the cluster is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = [1, 3, 5, 7]))]
    pub controller_count: Option<i32>,

    /// What each broker is given.
    #[serde(default)]
    pub resources: Resources,

    /// The class of the brokers' volumes; the default class of the Kubernetes cluster when missing. `emptyDir` means no
    /// volumes: data lives as long as a broker's pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class: Option<String>,

    /// What becomes of a volume whose broker was removed, or whose Kafkacluster was deleted.
    #[serde(default)]
    pub volume_deletion_policy: VolumeDeletionPolicy,

    /// Seconds for which a broker stays on a node that is not ready or cannot be reached before it is moved.
    #[serde(default = "default_grace")]
    #[schemars(range(min = 0, max = 604_800))]
    pub minimum_grace_period: i64,

    /// Labels of the nodes on which brokers and controllers may run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,

    /// The label of nodes that names their rack, such as topology.kubernetes.io/zone. Brokers are spread over racks, and
    /// Kafka spreads replicas over them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 317))]
    pub rack_topology_key: Option<String>,

    /// Topics that are made when they are missing, and kept as they are said here. A topic that is taken out of the list
    /// stays in Kafka, partitions are never taken away, and configuration that is not said here is left as it is.
    /// Another number of replicas is ordered of the balancer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 1000),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub topics: Vec<Topic>,

    /// Options of the brokers by name. What Kafka can take without a restart is applied live; such an option that is not
    /// said here, and is set for all brokers by other means, is taken back.
    #[serde(default, skip_serializing_if = "KafkaOptions::is_empty")]
    pub kafka_options: KafkaOptions,

    /// Any other property of brokers, as in server.properties. Those that the operator sets itself are refused.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::free_properties")]
    pub config: BTreeMap<String, Value>,

    /// The part of a broker's leaders, 0 to 1, that may be led elsewhere than preferred before Kafka moves them back; of
    /// use with zookeeperConnect only, since KRaft moves all of them back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub leader_imbalance_ratio: Option<f64>,

    /// Seconds between two looks for leaders to move back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub leader_imbalance_interval: Option<i32>,

    /// How clients reach brokers, and how they prove who they are. Without anything here, port 9092 takes everybody in the
    /// clear: within the Kubernetes cluster, and with zookeeperConnect also through the ports of nodes that the Services
    /// `<cluster>-broker-N` have then, as the original's had.
    #[serde(default, skip_serializing_if = "Listeners::is_empty")]
    pub listeners: Listeners,

    /// Whether each broker gets a sidecar that measures the true load of every partition, for Prometheus and the balancer.
    #[serde(default)]
    pub jmx_sidecar: bool,

    /// Settings of the sidecars and of the exporter of consumer lag. Brokers do not restart for them: a sidecar takes them
    /// when its pod is next made, the exporter at once.
    #[serde(default, skip_serializing_if = "SidecarSpec::is_empty")]
    pub sidecar: SidecarSpec,

    /// What the balancer may do, and when something is hot.
    #[serde(default)]
    pub balancer: BalancerSpec,

    /// What is added to the pods of brokers and controllers.
    #[serde(default, skip_serializing_if = "PodSpec::is_empty")]
    pub pod: PodSpec,
}

/// What each broker is given.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// Cores, such as "1" or 500m; what is requested. A broker may use more when its node has more to give. Brokers get
    /// other cores while they run where their node can do that, and restart for it otherwise.
    #[serde(default = "default_cpu")]
    #[schemars(schema_with = "schema::quantity")]
    pub cpu: Quantity,
    /// Memory, such as 4Gi; both requested and the limit. Three fifths of it, 4 GiB at most, are the JVM's heap; the
    /// rest is for the page cache. Brokers get other memory while they run, as with cores, where the heap stays what it is.
    #[serde(default = "default_memory")]
    #[schemars(schema_with = "schema::quantity")]
    pub memory: Quantity,
    /// Size of the volume, such as 100G; it may grow and never shrinks.
    #[serde(default = "default_disk")]
    #[schemars(schema_with = "schema::quantity")]
    pub disk_space: Quantity,
}

/// What becomes of a volume that no broker uses any more.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum VolumeDeletionPolicy {
    /// It stays until somebody deletes it.
    #[default]
    Retain,
    /// It is deleted with all that is on it.
    Delete,
}

impl Default for Resources {
    fn default() -> Self {
        Self {
            cpu: default_cpu(),
            memory: default_memory(),
            disk_space: default_disk(),
        }
    }
}

fn default_image() -> String {
    DEFAULT_IMAGE.to_owned()
}

fn default_grace() -> i64 {
    300
}

fn default_cpu() -> Quantity {
    Quantity("1".to_owned())
}

fn default_memory() -> Quantity {
    Quantity("4Gi".to_owned())
}

fn default_disk() -> Quantity {
    Quantity("100G".to_owned())
}

/// The definition that is applied to Kubernetes.
pub fn definition() -> CustomResourceDefinition {
    Kafkacluster::crd()
}

/// The schema of a `Kafkacluster` within it; none would be an error of the derive that makes it.
pub fn schema_of_definition() -> Option<JSONSchemaProps> {
    let mut versions = definition().spec.versions.into_iter();
    versions.find_map(|version| version.schema?.open_api_v3_schema)
}

/// The definition as YAML, as `deploy/crds/kafkaclusters.yaml` has it.
///
/// # Errors
///
/// None that a definition can bring about.
pub fn definition_yaml() -> Result<String, serde_saphyr::ser::Error> {
    serde_saphyr::to_string(&definition())
}
