//! OffsetFetch of many groups (version 8, KIP-709, Kafka 3.0): request and answer byte by byte, since an answer has
//! hundreds of thousands of rows that each need one number.
//!
//! Later versions add only what members fetch with (9) and topic ids instead of names (10); consumer and streams groups
//! answer to this one, too.

use std::sync::Arc;

use krafka::__private::network::BrokerConnection;
use krafka::__private::protocol::ApiKey;
use krafka::error::ErrorCode;

use super::wire::{Reader, put_length, put_no_tags, put_string, put_varint};
use super::{Answers, malformed, negotiate, said};
use crate::groups::{Position, TopicPositions};
use crate::ids::{GroupId, InvalidId, PartitionId};

const VERSION: i16 = 8;

pub(super) async fn ask(
    connection: &Arc<BrokerConnection>,
    groups: &[GroupId],
) -> krafka::Result<Answers<Vec<TopicPositions>>> {
    negotiate(connection, ApiKey::OffsetFetch, VERSION..=VERSION)?;
    let body = request(groups);
    let answer = connection
        .send_request(ApiKey::OffsetFetch, VERSION, |out| {
            out.extend_from_slice(&body);
            Ok(())
        })
        .await?;
    answers(&answer)
}

fn request(groups: &[GroupId]) -> Vec<u8> {
    let mut out = Vec::with_capacity(groups.len() * 32 + 8);
    put_length(groups.len(), &mut out);
    for group in groups {
        put_string(group.as_str(), &mut out);
        // No list of topics: all that the group has a commit for.
        put_varint(0, &mut out);
        put_no_tags(&mut out);
    }
    let require_stable = 0;
    out.push(require_stable);
    put_no_tags(&mut out);
    out
}

/// Bytes of a partition without metadata: index, offset, leader epoch, length of metadata, error, tags.
const LEAST_PARTITION: usize = 4 + 8 + 4 + 1 + 2 + 1;
/// Bytes of a topic without a name and partitions.
const LEAST_TOPIC: usize = 3;
/// Bytes of a group without an id and topics.
const LEAST_GROUP: usize = 5;

fn answers(bytes: &[u8]) -> krafka::Result<Answers<Vec<TopicPositions>>> {
    let mut reader = Reader::new(bytes);
    let _throttle_time_ms = reader.i32()?;
    let count = reader.count(LEAST_GROUP)?;
    (0..count).map(|_| group(&mut reader)).collect()
}

fn group(reader: &mut Reader<'_>) -> krafka::Result<(String, krafka::Result<Vec<TopicPositions>>)> {
    let id = reader.string()?.to_owned();
    let count = reader.count(LEAST_TOPIC)?;
    let topics = (0..count)
        .map(|_| topic(reader))
        .collect::<krafka::Result<Vec<_>>>()?;
    let code = ErrorCode::from(reader.i16()?);
    reader.skip_tags()?;
    Ok((id, said(code, None).map(|()| topics)))
}

/// A partition that failed alone is as one without a commit; what fails all partitions, such as a group that is being
/// loaded, Kafka says of the group.
fn topic(reader: &mut Reader<'_>) -> krafka::Result<TopicPositions> {
    let name = reader.string()?.parse();
    let topic = name.map_err(|error: InvalidId| malformed(error.to_string()))?;
    let count = reader.count(LEAST_PARTITION)?;
    let mut positions = Vec::with_capacity(count);
    for _ in 0..count {
        let partition = PartitionId::try_from(reader.i32()?);
        let offset = reader.i64()?;
        let _leader_epoch = reader.i32()?;
        reader.skip_string()?;
        let code = ErrorCode::from(reader.i16()?);
        reader.skip_tags()?;
        // Kafka writes -1 where there is no commit.
        if code.is_ok() && offset >= 0 {
            positions.push(Position {
                partition: partition.map_err(|error| malformed(error.to_string()))?,
                offset,
                lag: None,
            });
        }
    }
    reader.skip_tags()?;
    Ok(TopicPositions { topic, positions })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A group's id and error, and the number, offset and error of each partition.
    type Committed<'a> = (&'a str, i16, &'a [(i32, i64, i16)]);

    /// An answer as `OffsetFetchResponse.json` of Kafka 4.3.1 has it.
    fn answer(groups: &[Committed<'_>]) -> Vec<u8> {
        let mut out = 0i32.to_be_bytes().to_vec();
        put_length(groups.len(), &mut out);
        for (id, error, partitions) in groups {
            put_string(id, &mut out);
            put_length(1, &mut out);
            put_string("orders", &mut out);
            put_length(partitions.len(), &mut out);
            for (number, offset, error) in *partitions {
                out.extend(number.to_be_bytes());
                out.extend(offset.to_be_bytes());
                out.extend(7i32.to_be_bytes());
                put_string("some metadata", &mut out);
                out.extend(error.to_be_bytes());
                put_no_tags(&mut out);
            }
            put_no_tags(&mut out);
            out.extend(error.to_be_bytes());
            // A tag that this program does not know.
            out.extend([1, 5, 2, 0xab, 0xcd]);
        }
        put_no_tags(&mut out);
        out
    }

    #[test]
    fn the_request_asks_for_all_topics_of_each_group() {
        // OffsetFetchRequest.json of Kafka 4.3.1, version 8.
        let groups = ["a".parse().unwrap(), "bc".parse().unwrap()];
        let (all_topics, no_tags, unstable) = (0, 0, 0);
        let expected = [
            &[
                3, 2, b'a', all_topics, no_tags, 3, b'b', b'c', all_topics, no_tags,
            ][..],
            &[unstable, no_tags],
        ]
        .concat();
        assert_eq!(request(&groups), expected);
    }

    #[test]
    fn each_group_has_its_commits_or_its_error() {
        let bytes = answer(&[("a", 0, &[(0, 10, 0), (1, -1, 0), (2, 30, 3)]), ("b", 16, &[])]);
        let answers = answers(&bytes).unwrap();
        let (a, b) = (&answers[0], &answers[1]);
        assert_eq!((a.0.as_str(), b.0.as_str()), ("a", "b"));
        let topics = a.1.as_ref().unwrap();
        assert_eq!(topics[0].topic.as_str(), "orders");
        assert_eq!(
            topics[0].positions,
            [Position {
                partition: 0.try_into().unwrap(),
                offset: 10,
                lag: None
            }]
        );
        assert!(b.1.as_ref().unwrap_err().to_string().contains("NotCoordinator"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = answers(&bytes);
        }

        #[test]
        fn an_answer_that_is_cut_is_refused(cut in 0usize..80) {
            let bytes = answer(&[("a", 0, &[(0, 10, 0), (1, 20, 0)])]);
            let cut = cut.min(bytes.len() - 2);
            prop_assert!(answers(&bytes[..cut]).is_err());
        }
    }
}
