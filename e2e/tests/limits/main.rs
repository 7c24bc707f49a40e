//! Copies in clusters whose networks and disks are near their limits, on real Kafka: what producers notice of them.
//!
//! Each test measures producers' latencies before, during the execution of a plan, and, so that it shows that they do
//! depend on copies, during copies that nobody throttles. The figures go into `target/e2e/limits.json`.

mod copies;
mod disks;
mod figures;
mod network;
