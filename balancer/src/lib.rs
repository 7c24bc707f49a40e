//! The balancer: observe, detect, plan, execute.

pub mod plan;
