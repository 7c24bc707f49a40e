//! The balancer: observe, detect, plan, execute.

pub mod execute;
pub mod journal;
pub mod plan;
