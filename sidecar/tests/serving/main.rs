//! Both kinds of sidecar as their readers see them, over HTTP, beside a cluster whose answers the tests decide.

// The lint's exception for tests does not reach their helpers.
#![allow(clippy::unwrap_used)]

mod agent;
mod broker;
mod faults;
mod offsets;
mod readers;
mod secrets;
mod stub;
mod tls;
