//! DescribeShareGroupOffsets (KIP-932; version 1 with the lag, KIP-1226).

use std::sync::Arc;

use krafka::__private::network::BrokerConnection;
use krafka::__private::protocol::{
    ApiKey, DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsRequestGroup,
    DescribeShareGroupOffsetsResponse, DescribeShareGroupOffsetsResponsePartition,
    DescribeShareGroupOffsetsResponseTopic, versions,
};

use super::{Answers, exchange, ids, malformed, said};
use crate::groups::{Position, TopicPositions};
use crate::ids::{GroupId, PartitionId};

pub(super) async fn ask(
    connection: &Arc<BrokerConnection>,
    groups: &[GroupId],
) -> krafka::Result<Answers<Vec<TopicPositions>>> {
    let all_topics = |group_id| DescribeShareGroupOffsetsRequestGroup {
        group_id,
        topics: None,
    };
    let request = DescribeShareGroupOffsetsRequest {
        groups: ids(groups).into_iter().map(all_topics).collect(),
    };
    let versions = versions::DESCRIBE_SHARE_GROUP_OFFSETS_MIN..=versions::DESCRIBE_SHARE_GROUP_OFFSETS_MAX;
    let (version, response): (_, DescribeShareGroupOffsetsResponse) =
        exchange(connection, ApiKey::DescribeShareGroupOffsets, versions, &request).await?;
    let tells_lag = version >= 1;
    let answers = response.groups.into_iter().map(|group| {
        let positions = said(group.error_code, group.error_message).and_then(|()| {
            let topics = group.topics.into_iter();
            topics.map(|topic| positions(topic, tells_lag)).collect()
        });
        (group.group_id, positions)
    });
    Ok(answers.collect())
}

fn positions(
    topic: DescribeShareGroupOffsetsResponseTopic,
    tells_lag: bool,
) -> krafka::Result<TopicPositions> {
    let name = topic.topic_name.parse();
    Ok(TopicPositions {
        topic: name.map_err(|error: crate::ids::InvalidId| malformed(error.to_string()))?,
        positions: topic
            .partitions
            .into_iter()
            .filter_map(|partition| position(&partition, tells_lag))
            .collect(),
    })
}

/// Nothing where the group has not begun with the partition, which has the start offset -1.
fn position(partition: &DescribeShareGroupOffsetsResponsePartition, tells_lag: bool) -> Option<Position> {
    (partition.error_code.is_ok() && partition.start_offset >= 0).then_some(())?;
    Some(Position {
        partition: PartitionId::try_from(partition.partition_index).ok()?,
        offset: partition.start_offset,
        lag: (tells_lag && partition.lag >= 0).then_some(partition.lag),
    })
}
