//! The balancer: observe, detect, plan, execute.

pub mod config;
pub mod detect;
pub mod execute;
pub mod journal;
pub mod model;
pub mod observe;
pub mod plan;

// The generator of clusters is shared with the benches and names this crate from outside.
#[cfg(test)]
extern crate self as balancer;
