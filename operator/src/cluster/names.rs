//! What the objects of a cluster are called, and where its pods are reached.

use kafka::connection::{BootstrapAddress, InvalidAddress};

/// The most characters of a cluster's name: names derived from it must fit into labels, 63 characters.
pub(super) const MAX_CLUSTER_NAME: usize = 40;

/// Controllers' ids begin here, so that those of brokers are the numbers of their pods.
pub const FIRST_CONTROLLER_ID: u16 = 1000;

/// Where clients connect.
pub const CLIENT_PORT: u16 = 9092;
/// Where brokers connect to each other, and what the operator runs connects to them.
pub const REPLICATION_PORT: u16 = 9091;
/// Where brokers and controllers connect to controllers.
pub const CONTROLLER_PORT: u16 = 9093;
/// Where clients from outside connect.
pub const EXTERNAL_PORT: u16 = 9094;

/// A cluster's name and namespace, from which all other names follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    cluster: String,
    namespace: String,
}

impl Names {
    /// Takes a name from which all others can be made.
    pub(super) fn new(cluster: &str, namespace: &str) -> Result<Self, String> {
        let label = |text: &str| {
            text.bytes()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
                && !text.ends_with('-')
                && text.len() <= 63
        };
        if cluster.len() > MAX_CLUSTER_NAME {
            return Err(format!(
                "`{cluster}` is longer than {MAX_CLUSTER_NAME} characters"
            ));
        }
        if !cluster.starts_with(|c: char| c.is_ascii_lowercase()) || !label(cluster) {
            return Err(format!("`{cluster}` is no host name"));
        }
        if namespace.is_empty() || !label(namespace) {
            return Err(format!("`{namespace}` is no namespace"));
        }
        if let Some(other) = belongs_to(cluster) {
            return Err(format!(
                "`{cluster}` is what objects of a cluster `{other}` are called"
            ));
        }
        Ok(Self {
            cluster: cluster.to_owned(),
            namespace: namespace.to_owned(),
        })
    }

    /// The cluster: also its brokers' StatefulSet, their headless Service and their ServiceAccount.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// Where all of it is.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The controllers' StatefulSet and headless Service.
    pub fn controllers(&self) -> String {
        format!("{}-controller", self.cluster)
    }

    /// The balancer's Deployment, Service and ServiceAccount.
    pub fn balancer(&self) -> String {
        format!("{}-balancer", self.cluster)
    }

    /// The Secret with the token that allows the balancer's actions.
    pub fn balancer_token(&self) -> String {
        format!("{}-balancer-token", self.cluster)
    }

    /// The Deployment and Service of the exporter of consumer lag.
    pub fn offsets(&self) -> String {
        format!("kafka-offset-checker-{}", self.cluster)
    }

    /// The ConfigMap of brokers and controllers.
    pub fn kafka_config(&self) -> String {
        format!("{}-config", self.cluster)
    }

    /// The ConfigMap of sidecars.
    pub fn sidecar_config(&self) -> String {
        format!("{}-sidecar-config", self.cluster)
    }

    /// The Service that reaches one broker only.
    pub fn broker_service(&self, broker: u16) -> String {
        format!("{}-broker-{broker}", self.cluster)
    }

    /// The pod of a broker.
    pub fn broker_pod(&self, broker: u16) -> String {
        format!("{}-{broker}", self.cluster)
    }

    /// The host of a broker within Kubernetes.
    pub fn broker_host(&self, broker: u16) -> String {
        format!("{}.{}", self.broker_pod(broker), self.broker_domain())
    }

    /// What follows a broker's pod in its host. Resolvers complete `svc` by the domain of the Kubernetes cluster,
    /// whatever that is.
    pub fn broker_domain(&self) -> String {
        format!("{}.{}.svc", self.cluster, self.namespace)
    }

    /// The host of a controller within Kubernetes; the first one is 0.
    pub fn controller_host(&self, controller: u16) -> String {
        let controllers = self.controllers();
        format!("{controllers}-{controller}.{controllers}.{}.svc", self.namespace)
    }

    /// Where the operator, the balancer and sidecars reach a broker.
    ///
    /// # Errors
    ///
    /// None for names that were validated.
    pub fn broker_address(&self, broker: u16) -> Result<BootstrapAddress, InvalidAddress> {
        format!("{}:{REPLICATION_PORT}", self.broker_host(broker)).parse()
    }

    /// A host name of a Service.
    pub fn service_host(&self, service: &str) -> String {
        format!("{service}.{}.svc", self.namespace)
    }
}

/// The cluster among whose objects this name would be.
fn belongs_to(name: &str) -> Option<&str> {
    let of_broker = |name: &'_ str| -> Option<usize> {
        let (rest, number) = name.rsplit_once('-')?;
        number.bytes().all(|c| c.is_ascii_digit()).then_some(())?;
        Some(rest.strip_suffix("-broker")?.len())
    };
    // The ConfigMap of brokers of `a-sidecar` would be that of the sidecars of `a`.
    let suffixes = ["-controller", "-balancer", "-config", "-sidecar"];
    let prefixed = name.strip_prefix("kafka-offset-checker-");
    suffixes
        .into_iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .or(prefixed)
        .or_else(|| of_broker(name).map(|length| &name[..length]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_must_leave_room_for_those_that_are_made_of_it() {
        for good in ["a", "test-cluster-1", "broker-1"] {
            assert!(Names::new(good, "default").is_ok(), "{good}");
        }
        let long = "a".repeat(41);
        for bad in ["", "1a", "a-", "A", "a.b", "é", long.as_str()] {
            assert!(Names::new(bad, "default").is_err(), "{bad}");
        }
    }

    #[test]
    fn two_clusters_never_fight_about_an_object() {
        for taken in [
            "a-controller",
            "a-balancer",
            "a-broker-12",
            "a-sidecar",
            "kafka-offset-checker-a",
        ] {
            let error = Names::new(taken, "default").unwrap_err();
            assert!(error.contains("a cluster `a`"), "{error}");
        }
    }
}
