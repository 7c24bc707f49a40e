//! The operator: Kafka clusters on Kubernetes.
//!
//! [`crd`] is what users write and what they are answered; [`cluster`] takes a spec that makes sense, or says everything
//! that is wrong with it; [`build`] makes the Kubernetes objects that a cluster needs; [`decide`] says what is done next
//! with a cluster as it is. All four are functions from values to values. [`run`] reads what is and does what was decided;
//! [`check`] does the first two for a file.

pub mod build;
pub mod check;
pub mod cli;
pub mod cluster;
pub mod crd;
pub mod decide;
pub mod run;
