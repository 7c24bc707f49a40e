//! The sidecar: what one broker carries, partition by partition.

pub mod report;
