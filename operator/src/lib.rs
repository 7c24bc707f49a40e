//! The operator: Kafka clusters on Kubernetes.
//!
//! [`crd`] is what users write and what they are answered; [`cluster`] takes a spec that makes sense, or says everything
//! that is wrong with it; [`build`] makes the Kubernetes objects that a cluster needs. All three are functions from
//! values to values. [`check`] does the first two for a file.

pub mod build;
pub mod check;
pub mod cli;
pub mod cluster;
pub mod crd;
