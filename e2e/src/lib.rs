//! x

pub mod contract;
