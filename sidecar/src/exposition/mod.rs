//! What `/metrics` says, in Prometheus' text format 0.0.4.

mod dialect;
mod text;

pub use dialect::{Families, Family, jmx_families};
pub use text::{FamilyWriter, Kind, Text};
