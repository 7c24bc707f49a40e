//! What is done with brokers' volumes: they grow with the spec, and go, where that is wanted, with brokers that are gone.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::facts::Discarded;
use super::scaling::Scaling;
use super::{Decision, Observed};
use crate::build::broker_claim;
use crate::cluster::{Cluster, Storage, disk_bytes};
use crate::crd::VolumeDeletionPolicy;

/// Decides which claims ask for more, which are deleted, and whether the StatefulSet is made anew for it.
pub(super) fn volumes(cluster: &Cluster, observed: &Observed, scaling: &Scaling, decision: &mut Decision) {
    let Storage::Volume { size, deletion, .. } = &cluster.storage else {
        return;
    };
    let smaller = |asked: &Option<Quantity>| {
        let bytes = asked.as_ref().and_then(disk_bytes);
        bytes.is_some_and(|bytes| bytes < size.number())
    };
    let growing = observed.claims.iter();
    let growing = growing.filter(|claim| claim.bound && smaller(&claim.asked));
    decision.grow = growing
        .map(|claim| (claim.name.clone(), size.written().clone()))
        .collect();
    // Not by the StatefulSet, which would do it while a broker stops: until then Kafka may have placed a replica on it.
    if *deletion == VolumeDeletionPolicy::Delete {
        let of_gone = scaling.gone().map(|number| broker_claim(cluster, number));
        let of_gone: BTreeSet<String> = of_gone.collect();
        let claims = observed
            .claims
            .iter()
            .filter(|claim| of_gone.contains(&claim.name));
        decision.discard = claims.map(Discarded::from).collect();
        decision.grow.retain(|(claim, _)| !of_gone.contains(claim));
    }
    decision.recreate = observed.brokers.as_ref().is_some_and(|set| smaller(&set.claim));
}
