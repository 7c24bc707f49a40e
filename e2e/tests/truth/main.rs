//! How true the sidecar's figures are, against what clients counted on the wire.

// What was measured is shown; so is what went wrong on a reader's thread.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod changing;
mod reading;
mod sharing;
mod sources;
mod verdict;
mod wire;
mod writing;
mod written;
