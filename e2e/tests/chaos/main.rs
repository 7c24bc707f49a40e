//! Plans that are being made while brokers, controllers, networks, disks, topics and balancers fail, on real Kafka.
//!
//! At the end of each test every acknowledged record is accounted for, and Kafka has exactly the configuration and the
//! reassignments that it had before. What came of each fault goes into `target/e2e/chaos.json`.

mod brokers;
mod controller;
mod cut;
mod disk;
mod matrix;
mod points;
mod stage;
mod takeover;
mod topics;
