//! What the operator answers.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ScramMechanism, schema};

/// What there is of the cluster.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KafkaclusterStatus {
    /// The generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// How the cluster is: Ready, Progressing, Balanced, Degraded and Paused. What is wrong is said with its cure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        schema_with = "schema::of_kubernetes::<Vec<Condition>>",
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,
    /// Brokers that there are; while some are being emptied, more than the spec says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker_count: Option<i32>,
    /// Selects the brokers' pods, for autoscalers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// The id of the Kafka cluster. In KRaft mode it is decided here before the first pod is made, and never changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// Each broker.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"]))]
    pub brokers: Vec<BrokerStatus>,
    /// Where clients reach the cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub listeners: Vec<ListenerStatus>,
    /// The users that were made, or are about to be. They are removed when the spec does not name them any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name", "mechanism"]))]
    pub users: Vec<UserStatus>,
    /// Hot brokers and partitions, as the balancer says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hot: Option<i32>,
    /// The busiest broker's utilisation over the mean, such as 1.07, in the resource where that is greatest; 1 where hardly
    /// anything is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imbalance: Option<String>,
}

/// One broker.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BrokerStatus {
    /// Its id, which is also the number at the end of its pod's name.
    pub id: i32,
    /// What is being done with it.
    pub state: BrokerState,
    /// Whether its pod is ready.
    #[serde(default)]
    pub ready: bool,
    /// The node on which it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Its rack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rack: Option<String>,
    /// Replicas that it hosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i64>,
}

/// What is being done with a broker.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum BrokerState {
    /// It serves.
    Normal,
    /// It gets or gives load.
    Rebalancing,
    /// It is being emptied, and then removed.
    Emptying,
}

/// A user.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserStatus {
    /// Its name.
    pub name: String,
    /// How its password is proven.
    pub mechanism: ScramMechanism,
    /// Which password it has: the Secret, the key and the version of the Secret, such as `alice/password@4711`. Missing until
    /// it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// Where clients reach the cluster.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerStatus {
    /// internal or external.
    pub name: String,
    /// What to give to clients as bootstrap.servers.
    pub bootstrap: String,
    /// What to give to clients as security.protocol.
    pub security_protocol: String,
}

/// The conditions of a Kafkacluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionType {
    /// All brokers serve.
    Ready,
    /// Something is being changed towards what the spec says.
    Progressing,
    /// No broker is hot, and none is being emptied or filled.
    Balanced,
    /// Something is wrong that does not mend itself; the message says what to do.
    Degraded,
    /// Nothing is changed, since somebody wished so.
    Paused,
}

impl ConditionType {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 5] = [
        Self::Ready,
        Self::Progressing,
        Self::Balanced,
        Self::Degraded,
        Self::Paused,
    ];

    /// The condition's `type`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Progressing => "Progressing",
            Self::Balanced => "Balanced",
            Self::Degraded => "Degraded",
            Self::Paused => "Paused",
        }
    }
}
