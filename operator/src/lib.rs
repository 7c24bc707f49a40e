//! The operator: Kafka clusters on Kubernetes.
//!
//! [`crd`] is what users write and what they are answered; [`cluster`] takes a spec that makes sense, or says everything
//! that is wrong with it; [`build`] makes the Kubernetes objects that a cluster needs. All three are functions from
//! values to values. [`check`] does the first two for a file.
//!
//! Nothing applies the objects yet. Whatever will do so finds here what it needs, and tests are its only user so far:
//! [`build::objects`] and what it is [given](build::Known); [`build::token_secret`] and [`cluster::ClusterId::from_random`],
//! made once of random bits; [`build::broker_digest`] and [`build::controller_digest`], for which pods are replaced;
//! [`build::RACK_ANNOTATION`], for which brokers wait; [`build::connection`] and [`build::balancer_url`], by which Kafka and
//! the balancer are reached; [`cluster::Properties::live`] and [`cluster::Cluster::topics`], which are set through Kafka;
//! [`build::OPERATOR_LABEL`], by which policies let it in; [`build::listeners`], [`build::selector_text`] and
//! [`crd::ConditionType`] for the status; and [`crd::PAUSED_ANNOTATION`].

pub mod build;
pub mod check;
pub mod cli;
pub mod cluster;
pub mod crd;
pub mod decide;
pub mod run;
