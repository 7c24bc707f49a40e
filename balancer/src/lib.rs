//! The balancer: observe, detect, plan, execute.

pub mod detect;
pub mod journal;
pub mod model;
pub mod plan;
