//! The Grafana dashboards of this project. `cargo run -p dashboards` writes them into `deploy/grafana`.
//!
//! They ask for no label but those that the programs write and those that Prometheus or its configuration adds: `namespace` and
//! `kafka_cluster`, which may be absent, and one of `broker`, `instance` and `pod` that tells sidecars apart.

mod balancer;
mod broker;
mod cluster;
mod consumer_lag;
mod dashboard;
mod field;
mod hot_partitions;
mod layout;
mod operator;
mod panel;
mod query;
mod variable;

pub use dashboard::Dashboard;

/// The name and the text of each file.
///
/// # Errors
///
/// When a dashboard cannot be written as JSON.
pub fn files() -> Result<Vec<(String, String)>, serde_json::Error> {
    all().iter().map(Dashboard::file).collect()
}

/// All dashboards, in the order in which they link to each other.
pub fn all() -> Vec<Dashboard> {
    vec![
        cluster::dashboard(),
        hot_partitions::dashboard(),
        balancer::dashboard(),
        broker::dashboard(),
        consumer_lag::dashboard(),
        operator::dashboard(),
    ]
}
