//! Both kinds of sidecar as their readers see them, over HTTP, beside a cluster whose answers the tests decide.

// The lint's exception for tests does not reach their helpers.
#![allow(clippy::unwrap_used)]

mod agent;
mod broker;
mod exposition;
mod faults;
mod full;
mod names;
mod offsets;
mod readers;
#[path = "../recording/mod.rs"]
mod recording;
mod sample;
mod secrets;
mod stub;
mod tls;
