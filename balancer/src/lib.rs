//! The balancer: observe, detect, plan, execute.

pub mod action;
pub mod api;
pub mod background;
pub mod cli;
pub mod client;
pub mod config;
pub mod detect;
pub mod execute;
pub mod journal;
mod metrics;
pub mod model;
pub mod observe;
mod occasion;
pub mod plan;
pub mod serve;
pub mod simulate;

// The generator of clusters is shared with the benches and names this crate from outside.
#[cfg(test)]
extern crate self as balancer;
#[cfg(test)]
#[path = "../benches/instances/mod.rs"]
mod instances;
