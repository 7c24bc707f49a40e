//! What a Prometheus scrapes, and by which labels series are told apart.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka::settings;
use serde::Serialize;

use super::PrometheusError;
use crate::Stack;

/// Something to scrape, with the labels that its series get.
#[derive(Debug, Clone)]
pub struct Target {
    address: String,
    labels: BTreeMap<&'static str, String>,
}

/// What tells a cluster from others: the labels that rules and dashboards go by.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    /// Of Kubernetes, or whatever takes its place.
    pub namespace: &'a str,
    /// The cluster's name.
    pub cluster: &'a str,
}

impl Target {
    /// What serves `/metrics` at a URL such as `http://127.0.0.1:20017`, with no further label than `instance`.
    pub fn new(url: &str) -> Self {
        Self {
            address: url.trim_start_matches("http://").to_owned(),
            labels: BTreeMap::new(),
        }
    }

    /// With the labels that the project's PodMonitors would give it as a program of this cluster: `pod` with this name.
    #[must_use]
    pub fn of(mut self, names: Names<'_>, pod: &str) -> Self {
        self.labels.insert("namespace", names.namespace.to_owned());
        self.labels.insert("kafka_cluster", names.cluster.to_owned());
        self.labels.insert("pod", pod.to_owned());
        self
    }

    /// The sidecar of a broker of this cluster.
    #[must_use]
    pub fn of_broker(mut self, names: Names<'_>, broker: i32) -> Self {
        self.labels.insert("broker", broker.to_string());
        self.of(names, &format!("{}-{broker}", names.cluster))
    }

    /// An operator.
    #[must_use]
    pub fn of_operator(mut self, namespace: &str) -> Self {
        self.labels.insert("namespace", namespace.to_owned());
        self.labels.insert("pod", "kafka-operator".to_owned());
        self
    }

    /// All programs of a stack; without names they have no label but `instance`, as where nobody configures any.
    pub fn all_of(stack: &Stack, names: Option<Names<'_>>) -> Vec<Self> {
        let named = |url: &str, role: &str| match names {
            Some(names) => Self::new(url).of(names, &format!("{}-{role}", names.cluster)),
            None => Self::new(url),
        };
        let sidecars = stack.sidecars.iter().map(|(&broker, sidecar)| match names {
            Some(names) => Self::new(&sidecar.url).of_broker(names, broker),
            None => Self::new(&sidecar.url),
        });
        let offsets = stack.offsets.iter().map(|offsets| named(&offsets.url, "offsets"));
        let balancer = named(&stack.balancer.url, "balancer");
        sidecars.chain(offsets).chain([balancer]).collect()
    }
}

#[derive(Serialize)]
struct Configuration<'a> {
    global: Global,
    rule_files: [&'static str; 1],
    scrape_configs: [Job<'a>; 1],
}

#[derive(Serialize)]
struct Global {
    scrape_interval: String,
    scrape_timeout: String,
    evaluation_interval: String,
}

#[derive(Serialize)]
struct Job<'a> {
    job_name: &'static str,
    static_configs: Vec<Static<'a>>,
}

#[derive(Serialize)]
struct Static<'a> {
    targets: [&'a str; 1],
    labels: &'a BTreeMap<&'static str, String>,
}

/// A configuration that scrapes these targets so often, with the rules in a file beside it.
pub(super) fn configuration(targets: &[Target], every: Duration) -> Result<String, PrometheusError> {
    let every = format!("{}ms", every.as_millis());
    let configuration = Configuration {
        global: Global {
            scrape_interval: every.clone(),
            scrape_timeout: every.clone(),
            evaluation_interval: every,
        },
        rule_files: ["rules.yaml"],
        scrape_configs: [Job {
            job_name: "kafka",
            static_configs: targets
                .iter()
                .map(|target| Static {
                    targets: [&target.address],
                    labels: &target.labels,
                })
                .collect(),
        }],
    };
    settings::to_yaml(&configuration).map_err(|error| PrometheusError::Configuration(error.to_string()))
}
