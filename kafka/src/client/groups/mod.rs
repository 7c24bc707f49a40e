//! Requests about many groups at once, sent to the coordinator that is known already.
//!
//! The library looks for each group's coordinator before each call and asks for one group's offsets at a time: two
//! round trips a group where a cluster may have thousands. Here a coordinator gets one request for many groups, over
//! the library's connections.

mod describe;
mod offset_fetch;
mod share;
pub(super) mod wire;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use krafka::__private::network::BrokerConnection;
use krafka::__private::protocol::{ApiKey, VersionedDecode, VersionedEncode};
use krafka::KrafkaError;
use krafka::error::{ErrorCode, ProtocolErrorKind};

use super::errors;
use super::session::Session;
use crate::cluster::Each;
use crate::error::ClusterError;
use crate::groups::{GroupDescription, GroupKind, TopicPositions};
use crate::ids::{BrokerId, GroupId};

/// The state and members of each group.
pub(super) async fn describe(
    session: &Session,
    coordinator: BrokerId,
    kind: GroupKind,
    groups: &[GroupId],
) -> Result<Each<GroupId, GroupDescription>, ClusterError> {
    let asking = async {
        let connection = session.connection_to(coordinator).await?;
        describe::ask(&connection, kind, groups).await
    };
    let (operation, answers) = (describe::operation(kind), session.in_time(asking).await);
    each(session, operation, coordinator, groups, answers)
}

/// How far each group is.
pub(super) async fn positions(
    session: &Session,
    coordinator: BrokerId,
    kind: GroupKind,
    groups: &[GroupId],
) -> Result<Each<GroupId, Vec<TopicPositions>>, ClusterError> {
    let is_share = kind == GroupKind::Share;
    let asking = async {
        let connection = session.connection_to(coordinator).await?;
        match is_share {
            true => share::ask(&connection, groups).await,
            false => offset_fetch::ask(&connection, groups).await,
        }
    };
    let operation = if is_share {
        "DescribeShareGroupOffsets"
    } else {
        "OffsetFetch"
    };
    let answers = session.in_time(asking).await;
    each(session, operation, coordinator, groups, answers)
}

/// What a broker answered of each group, by id.
type Answers<V> = Vec<(String, krafka::Result<V>)>;

/// The answer for each group asked about. What was not asked about is ignored.
fn each<V>(
    session: &Session,
    operation: &str,
    coordinator: BrokerId,
    groups: &[GroupId],
    answers: krafka::Result<Answers<V>>,
) -> Result<Each<GroupId, V>, ClusterError> {
    let subject = format!("broker {coordinator}");
    let answers = answers.map_err(|error| session.failed_at_one_broker(operation, &subject, error))?;
    let mut answers: BTreeMap<String, krafka::Result<V>> = answers.into_iter().collect();
    let mut answer = |group: &GroupId| match answers.remove(group.as_str()) {
        Some(answer) => answer.map_err(|error| of_group(operation, group, error)),
        None => Err(ClusterError::Nonsense(format!(
            "{operation} left out group {group}"
        ))),
    };
    Ok(groups
        .iter()
        .map(|group| (group.clone(), answer(group)))
        .collect())
}

fn of_group(operation: &str, group: &dyn Display, error: KrafkaError) -> ClusterError {
    errors::of_call(operation, &format!("group {group}"), error)
}

/// Sends a request in the library's words, in the highest version that both sides know.
async fn exchange<Q: VersionedEncode, A: VersionedDecode>(
    connection: &Arc<BrokerConnection>,
    api: ApiKey,
    versions: std::ops::RangeInclusive<i16>,
    request: &Q,
) -> krafka::Result<(i16, A)> {
    let version = negotiate(connection, api, versions)?;
    let mut answer = connection
        .send_request(api, version, |body| request.encode_versioned(version, body))
        .await?;
    Ok((version, A::decode_versioned(version, &mut answer)?))
}

pub(super) fn negotiate(
    connection: &BrokerConnection,
    api: ApiKey,
    versions: std::ops::RangeInclusive<i16>,
) -> krafka::Result<i16> {
    let (least, most) = versions.into_inner();
    let version = connection.negotiate_api_version(api, most, least);
    version.ok_or_else(|| {
        let message = format!("the broker has no {api:?} of version {least} to {most}");
        KrafkaError::protocol_kind(ProtocolErrorKind::UnknownApiVersion, message)
    })
}

/// What a broker said of one thing: nothing wrong, or which error.
pub(super) fn said(code: ErrorCode, message: Option<String>) -> krafka::Result<()> {
    match code.is_ok() {
        true => Ok(()),
        false => Err(KrafkaError::broker(code, message.unwrap_or_default())),
    }
}

fn ids(groups: &[GroupId]) -> Vec<String> {
    groups.iter().map(ToString::to_string).collect()
}

fn malformed(message: impl Into<String>) -> KrafkaError {
    KrafkaError::protocol_kind(ProtocolErrorKind::Malformed, message.into())
}
