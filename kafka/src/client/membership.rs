//! Controllers, and UnregisterBroker, which the library has no call for.

use krafka::__private::protocol::ApiKey;
use krafka::admin::{QuorumInfo, QuorumReplica};
use krafka::error::ErrorCode;

use super::groups::wire::{Reader, put_no_tags};
use super::groups::{negotiate, said};
use super::session::Session;
use super::{KafkaCluster, convert};
use crate::error::ClusterError;
use crate::ids::BrokerId;
use crate::membership::{Membership, Quorum, Voter};

impl Membership for KafkaCluster {
    async fn quorum(&self) -> Result<Quorum, ClusterError> {
        let session = self.sessions.current().await?;
        let answer = session.admin.describe_metadata_quorum(Default::default()).await;
        quorum(session.outcome("DescribeQuorum", answer)?)
    }

    /// Any broker passes the request on to the active controller.
    async fn unregister_broker(&self, broker: BrokerId) -> Result<(), ClusterError> {
        let session = self.sessions.current().await?;
        let answer = session.in_time(unregister(&session, broker)).await;
        session.outcome_for("UnregisterBroker", &format!("broker {broker}"), answer)
    }
}

fn quorum(answer: QuorumInfo) -> Result<Quorum, ClusterError> {
    let end_of = |voter: &QuorumReplica| u64::try_from(voter.log_end_offset).ok();
    let leader = answer
        .voters
        .iter()
        .find(|voter| voter.replica_id == answer.leader_id);
    let end = leader.and_then(end_of);
    let voter = |voter: &QuorumReplica| {
        Ok(Voter {
            id: convert::broker(voter.replica_id)?,
            lag: end.zip(end_of(voter)).map(|(end, own)| end.saturating_sub(own)),
        })
    };
    let mut voters = answer
        .voters
        .iter()
        .map(voter)
        .collect::<Result<Vec<_>, ClusterError>>()?;
    voters.sort_unstable_by_key(|voter| voter.id);
    Ok(Quorum {
        leader: BrokerId::try_from(answer.leader_id).ok(),
        voters,
    })
}

async fn unregister(session: &Session, broker: BrokerId) -> krafka::Result<()> {
    const VERSION: i16 = 0;
    let connection = session.any_connection().await?;
    negotiate(&connection, ApiKey::UnregisterBroker, VERSION..=VERSION)?;
    let mut body = broker.get().to_be_bytes().to_vec();
    put_no_tags(&mut body);
    let answer = connection
        .send_request(ApiKey::UnregisterBroker, VERSION, |out| {
            out.extend_from_slice(&body);
            Ok(())
        })
        .await?;
    let mut reader = Reader::new(&answer);
    let _throttle_time_ms = reader.i32()?;
    match ErrorCode::from(reader.i16()?) {
        ErrorCode::BrokerIdNotRegistered => Ok(()),
        code => said(code, None),
    }
}
