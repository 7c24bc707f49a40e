//! Starts real Kafka clusters and the project's own binaries on this machine, and proves the whole against
//! them.
//!
//! Nothing that is started here outlives the process that started it, not even when that is killed.

mod child;
pub mod chromedriver;
mod command;
pub mod contract;
pub mod disks;
pub mod figures;
pub mod http;
pub mod kubernetes;
pub mod local_kafka;
pub mod network;
pub mod port;
pub mod process;
pub mod processor;
pub mod prometheus;
pub mod sampler;
pub mod scene;
pub mod stack;
pub mod tap;

pub use chromedriver::ChromeDriver;
pub use kubernetes::Kubernetes;
pub use local_kafka::{BrokerSpec, Layout, Listener, LocalKafka, Mode, Place, Reached};
pub use stack::{Service, Stack};
