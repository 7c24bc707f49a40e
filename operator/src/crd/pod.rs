//! What users add to pods.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Affinity, LocalObjectReference, Toleration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;

/// What is added to the pods of brokers and controllers.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodSpec {
    /// Affinity as in a pod's spec. It replaces what the operator would set: brokers of a cluster rather on different nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::of_kubernetes::<Affinity>")]
    pub affinity: Option<Affinity>,
    /// Tolerations as in a pod's spec, beside those of minimumGracePeriod.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::of_kubernetes::<Vec<Toleration>>")]
    pub tolerations: Vec<Toleration>,
    /// Labels that pods get too. Those that the operator sets are refused.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations that pods get too. Those that the operator sets are refused.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The pods' priority class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub priority_class_name: Option<String>,
    /// Secrets with which images are pulled, for all pods of the cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::of_kubernetes::<Vec<LocalObjectReference>>")]
    pub image_pull_secrets: Vec<LocalObjectReference>,
}

impl PodSpec {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
