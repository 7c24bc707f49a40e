//! What `/metrics` says, in Prometheus' text format 0.0.4 or as OpenMetrics 1.0.

mod dialect;
mod encoding;
mod families;
mod format;
mod grain;
mod jmx;
mod jvm;
mod pages;
mod quality;
mod text;

pub use encoding::Encoding;
pub use families::{Families, Family};
pub use format::Format;
pub use grain::{Figure, Grain};
pub use jmx::jmx_families;
pub use text::{FamilyWriter, Kind, Text};
