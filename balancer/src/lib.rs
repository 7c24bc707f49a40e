//! The balancer: observe, detect, plan, execute.

pub mod journal;
pub mod plan;
