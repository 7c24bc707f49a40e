//! The balancer and its sidecars, as users run them, beside a real Kafka under a real load.
//!
//! What is claimed of the balancer is read from Kafka, not from the balancer; and every record that was acknowledged
//! is accounted for at the end of each test.

mod accuracy;
mod brokers;
mod fencing;
mod foreign;
mod leadership;
mod modes;
mod moving;
mod offline;
mod replication;
mod split;
