//! A load on a Kafka cluster whose truth is known, and a witness that proves that none of it was lost.
//!
//! [`Load`] runs idempotent librdkafka producers with `acks=all` at given rates, and consumer groups beside
//! them. It knows for every partition how many bytes were appended in any window, so that what others measure
//! can be held against it. [`witness::verify`] reads everything back and accounts for every record.

mod consumer;
mod history;
mod latency;
mod ledger;
mod producer;
mod record;
mod running;
mod settings;
mod topics;
pub mod witness;

pub use consumer::Consumption;
pub use latency::{HistogramWindow, Latencies};
pub use ledger::{Accounts, PartitionAccount};
pub use running::{Load, LoadError, Shift};
pub use settings::{Connection, GroupSettings, InvalidSettings, LoadSettings, PartitionRate, TopicSettings};
pub use topics::{Placement, TopicError, create_topics};
