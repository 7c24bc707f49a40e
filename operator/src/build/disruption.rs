//! Disruption budgets: a drain of nodes takes one broker and one controller at a time.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::metadata::{Role, label_selector, object};
use crate::cluster::Cluster;

/// All of them.
pub(super) fn budgets(cluster: &Cluster) -> Vec<PodDisruptionBudget> {
    let mut budgets = vec![budget(cluster, Role::Broker)];
    if cluster.metadata.is_kraft() {
        budgets.push(budget(cluster, Role::Controller));
    }
    budgets
}

fn budget(cluster: &Cluster, role: Role) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: object(cluster, role, role.object_name(cluster)),
        spec: Some(PodDisruptionBudgetSpec {
            // Not the least that must be there: a single broker must not keep its node from being drained for ever.
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(label_selector(cluster, role)),
            // A pod that is not ready may be evicted where all others are. Always would be too often: a broker serves although
            // its sidecar does not.
            unhealthy_pod_eviction_policy: Some("IfHealthyBudget".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    }
}
