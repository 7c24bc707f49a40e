//! What whoever runs a cluster needs beyond [`Cluster`](crate::Cluster): its controllers, and taking brokers out of it.

use std::future::Future;

use crate::error::ClusterError;
use crate::ids::BrokerId;

/// The members of a Kafka cluster in KRaft mode. In ZooKeeper mode each of these is refused with `UNSUPPORTED_VERSION`.
///
/// As with [`Cluster`](crate::Cluster), each method is one logical request with a deadline of its own, and a change is
/// the same when it is applied twice.
pub trait Membership: Send + Sync + 'static {
    /// The controllers, and which of them leads.
    fn quorum(&self) -> impl Future<Output = Result<Quorum, ClusterError>> + Send;

    /// Makes the cluster forget a broker that is gone for good; one that it does not know is fine.
    ///
    /// A broker that is alive registers itself anew, and replicas that are assigned to it stay assigned: callers look first.
    fn unregister_broker(&self, broker: BrokerId) -> impl Future<Output = Result<(), ClusterError>> + Send;
}

/// The controllers of a cluster at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quorum {
    /// The active controller; none while one is being elected.
    pub leader: Option<BrokerId>,
    /// All voters by id, the leader too.
    pub voters: Vec<Voter>,
}

/// A controller that votes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voter {
    /// Its id.
    pub id: BrokerId,
    /// How many records of the metadata it is behind the leader; none where the leader does not know.
    pub lag: Option<u64>,
}
