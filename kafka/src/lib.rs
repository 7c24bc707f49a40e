//! Kafka as this project sees it.
//!
//! Everything the binaries ask of Kafka goes through [`Cluster`], which has two implementations: the one of
//! [`client`] talks to brokers, the one of [`simulated`] lives in memory under Tokio's clock. The journal's
//! storage is the same pair again: [`CompactedLog`].
//!
//! Nothing outside this crate names the client library that is used.

pub mod client;
pub mod cluster;
pub mod compacted_log;
pub mod connection;
pub mod error;
pub mod groups;
pub mod ids;
pub mod membership;
pub mod password_file;
pub mod settings;
pub mod simulated;
pub mod users;

pub use cluster::Cluster;
pub use compacted_log::CompactedLog;
pub use error::ClusterError;
pub use ids::{BrokerId, GroupId, PartitionId, ReplicationFactor, TopicName, TopicPartition};
pub use membership::Membership;
pub use users::{UserName, Users};
