//! Seeing the cluster: the sidecars' reports and Kafka's metadata, merged into one model.
//!
//! A broker without a usable report is looked at over the Kafka protocol instead, which tells bytes but no processor
//! time. What neither tells stays as it was known last.

mod merge;
mod observer;
mod protocol;
mod reports;

pub use merge::{BrokerReport, BrokerSource, Look, Merger, Sight};
pub use observer::{Observation, ObserveError, Observer, Standing};
pub use protocol::ProtocolSampler;
pub use reports::{ReportError, ReportReader, ReportSource};
