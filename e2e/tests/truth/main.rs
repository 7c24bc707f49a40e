//! How true the sidecar's figures are, against what clients counted on the wire.

mod bench;
mod changing;
mod reading;
mod verdict;
mod wire;
mod writing;
