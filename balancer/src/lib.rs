//! The balancer: observe, detect, plan, execute.

pub mod config;
pub mod detect;
pub mod execute;
pub mod journal;
pub mod model;
pub mod observe;
pub mod plan;
