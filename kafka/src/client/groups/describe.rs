//! Describing groups: each kind has a request of its own.

use std::sync::Arc;

use krafka::__private::network::BrokerConnection;
use krafka::__private::protocol::{
    ApiKey, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, DescribeGroupsRequest,
    DescribeGroupsResponse, ShareGroupDescribeRequest, ShareGroupDescribeResponse,
    StreamsGroupDescribeRequest, StreamsGroupDescribeResponse, versions,
};

use super::{Answers, exchange, ids, said};
use crate::groups::{GroupDescription, GroupKind, GroupState};
use crate::ids::GroupId;

/// The request for groups of this kind.
pub(super) fn operation(kind: GroupKind) -> &'static str {
    match kind {
        GroupKind::Consumer => "ConsumerGroupDescribe",
        GroupKind::Share => "ShareGroupDescribe",
        GroupKind::Streams => "StreamsGroupDescribe",
        GroupKind::Classic | GroupKind::Unknown => "DescribeGroups",
    }
}

fn description<M>(state: &str, members: &[M]) -> GroupDescription {
    GroupDescription {
        state: GroupState::named(state),
        members: u32::try_from(members.len()).unwrap_or(u32::MAX),
    }
}

// The four answers are of different types with fields of the same names.
macro_rules! described {
    ($response:expr) => {
        $response
            .groups
            .into_iter()
            .map(|group| {
                let answer = said(group.error_code, group.error_message)
                    .map(|()| description(&group.group_state, &group.members));
                (group.group_id, answer)
            })
            .collect()
    };
}

pub(super) async fn ask(
    connection: &Arc<BrokerConnection>,
    kind: GroupKind,
    groups: &[GroupId],
) -> krafka::Result<Answers<GroupDescription>> {
    let groups = ids(groups);
    Ok(match kind {
        GroupKind::Consumer => {
            let versions = versions::CONSUMER_GROUP_DESCRIBE_MIN..=versions::CONSUMER_GROUP_DESCRIBE_MAX;
            let request = ConsumerGroupDescribeRequest::new(groups);
            let (_, response): (_, ConsumerGroupDescribeResponse) =
                exchange(connection, ApiKey::ConsumerGroupDescribe, versions, &request).await?;
            described!(response)
        }
        GroupKind::Share => {
            let versions = versions::SHARE_GROUP_DESCRIBE_MIN..=versions::SHARE_GROUP_DESCRIBE_MAX;
            let request = ShareGroupDescribeRequest {
                group_ids: groups,
                include_authorized_operations: false,
            };
            let (_, response): (_, ShareGroupDescribeResponse) =
                exchange(connection, ApiKey::ShareGroupDescribe, versions, &request).await?;
            described!(response)
        }
        GroupKind::Streams => {
            let versions = versions::STREAMS_GROUP_DESCRIBE_MIN..=versions::STREAMS_GROUP_DESCRIBE_MAX;
            let request = StreamsGroupDescribeRequest::new(groups);
            let (_, response): (_, StreamsGroupDescribeResponse) =
                exchange(connection, ApiKey::StreamsGroupDescribe, versions, &request).await?;
            described!(response)
        }
        GroupKind::Classic | GroupKind::Unknown => {
            let versions = versions::DESCRIBE_GROUPS_MIN..=versions::DESCRIBE_GROUPS_MAX;
            let request = DescribeGroupsRequest {
                groups,
                include_authorized_operations: false,
            };
            let (_, response): (_, DescribeGroupsResponse) =
                exchange(connection, ApiKey::DescribeGroups, versions, &request).await?;
            described!(response)
        }
    })
}
