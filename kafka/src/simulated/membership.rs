//! Taking brokers out of the simulated cluster, whose one controller is not simulated.

use super::world::refused;
use super::{Operation, SimulatedCluster};
use crate::error::ClusterError;
use crate::ids::BrokerId;
use crate::membership::{Membership, Quorum, Voter};

/// The id of the controller that there seems to be.
const CONTROLLER: i32 = 1000;

impl Membership for SimulatedCluster {
    async fn quorum(&self) -> Result<Quorum, ClusterError> {
        let leader =
            BrokerId::try_from(CONTROLLER).map_err(|error| ClusterError::Nonsense(error.to_string()))?;
        let voters = vec![Voter {
            id: leader,
            lag: Some(0),
        }];
        self.request(Operation::Quorum, |_, _| {
            Ok(Quorum {
                leader: Some(leader),
                voters,
            })
        })
        .await
    }

    /// A broker that runs would register itself anew at once, and so this one refuses where it would be no use.
    async fn unregister_broker(&self, broker: BrokerId) -> Result<(), ClusterError> {
        self.request(Operation::Unregister, |world, _| {
            if world.runs(broker) {
                return Err(refused("BROKER_ALIVE", format!("broker {broker} is alive")));
            }
            world.brokers.remove(&broker);
            Ok(())
        })
        .await
    }
}
