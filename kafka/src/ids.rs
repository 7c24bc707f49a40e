//! Names and numbers of Kafka's things, as types that cannot hold an impossible value.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

/// A broker's `node.id`; never negative (Kafka uses -1 on the wire for "no broker").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct BrokerId(i32);

/// A partition's number within its topic; never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct PartitionId(i32);

/// How many replicas each partition of a topic has: 1 to 32,767, which is what Kafka's protocol can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ReplicationFactor(u16);

/// A topic's name: 1 to 249 characters of `[a-zA-Z0-9._-]`, neither `.` nor `..`, as
/// `org.apache.kafka.common.internals.Topic` has it. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct TopicName(Arc<str>);

/// A group's id: 1 to 32,767 bytes, the longest string that the protocol's older versions carry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct GroupId(Arc<str>);

/// One partition of one topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicPartition {
    /// The topic.
    pub topic: TopicName,
    /// The partition's number in it.
    pub partition: PartitionId,
}

/// A value that is not an id of Kafka's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidId {
    /// A broker id below zero.
    #[error("{0} is no broker id: ids start at 0")]
    Broker(i64),
    /// A partition number below zero, or beyond what Kafka can address.
    #[error("{0} is no partition number: numbers start at 0 and end at 2147483647")]
    Partition(i64),
    /// No number of replicas that a partition can have.
    #[error("{0} is no number of replicas: a partition has 1 to 32767")]
    ReplicationFactor(i64),
    /// A topic name that Kafka would refuse.
    #[error(
        "`{0}` is no topic name: 1 to 249 letters, digits, dots, underscores or hyphens, neither `.` nor `..`"
    )]
    Topic(String),
    /// A partition that is not written as Kafka's tools write it.
    #[error("`{0}` is no partition: a topic, a hyphen and a number, such as orders-3")]
    TopicPartition(String),
    /// A group id that is empty or too long.
    #[error("a group id has 1 to 32767 bytes, not {0}")]
    Group(usize),
}

macro_rules! number {
    ($name:ident, $error:path) => {
        impl $name {
            /// The number, as Kafka's protocol carries it.
            pub const fn get(self) -> i32 {
                self.0
            }
        }

        impl TryFrom<i32> for $name {
            type Error = InvalidId;

            fn try_from(value: i32) -> Result<Self, InvalidId> {
                if value < 0 {
                    Err($error(value.into()))
                } else {
                    Ok(Self(value))
                }
            }
        }

        impl TryFrom<i64> for $name {
            type Error = InvalidId;

            fn try_from(value: i64) -> Result<Self, InvalidId> {
                i32::try_from(value).map_err(|_| $error(value))?.try_into()
            }
        }

        impl From<u16> for $name {
            fn from(value: u16) -> Self {
                Self(value.into())
            }
        }

        impl From<$name> for i32 {
            fn from(id: $name) -> i32 {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                i64::deserialize(deserializer)?
                    .try_into()
                    .map_err(serde::de::Error::custom)
            }
        }
    };
}

number!(BrokerId, InvalidId::Broker);
number!(PartitionId, InvalidId::Partition);

impl ReplicationFactor {
    const MOST: u16 = i16::MAX as u16;

    /// The number.
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

impl TryFrom<i64> for ReplicationFactor {
    type Error = InvalidId;

    fn try_from(value: i64) -> Result<Self, InvalidId> {
        let number = u16::try_from(value).ok();
        let number = number.filter(|number| (1..=Self::MOST).contains(number));
        number.map(Self).ok_or(InvalidId::ReplicationFactor(value))
    }
}

impl fmt::Display for ReplicationFactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for ReplicationFactor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        i64::deserialize(deserializer)?
            .try_into()
            .map_err(serde::de::Error::custom)
    }
}

impl TopicName {
    const MAX_LENGTH: usize = 249;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether Kafka keeps its own state in this topic, by the convention that such names start with two
    /// underscores.
    pub fn is_internal(&self) -> bool {
        self.0.starts_with("__")
    }
}

impl FromStr for TopicName {
    type Err = InvalidId;

    fn from_str(name: &str) -> Result<Self, InvalidId> {
        let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
        let valid = (1..=Self::MAX_LENGTH).contains(&name.len())
            && name.bytes().all(legal)
            && name != "."
            && name != "..";
        if valid {
            Ok(Self(name.into()))
        } else {
            Err(InvalidId::Topic(shorten(name)))
        }
    }
}

/// Keeps an error message readable when the bad name is a megabyte of noise.
fn shorten(name: &str) -> String {
    const SHOWN: usize = 260;
    if name.chars().count() <= SHOWN {
        name.to_owned()
    } else {
        name.chars().take(SHOWN).chain(['…']).collect()
    }
}

impl GroupId {
    const MAX_LENGTH: usize = i16::MAX as usize;

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for GroupId {
    type Err = InvalidId;

    fn from_str(id: &str) -> Result<Self, InvalidId> {
        if (1..=Self::MAX_LENGTH).contains(&id.len()) {
            Ok(Self(id.into()))
        } else {
            Err(InvalidId::Group(id.len()))
        }
    }
}

macro_rules! text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

text!(TopicName);
text!(GroupId);

impl TopicPartition {
    /// The partition `partition` of `topic`.
    pub fn new(topic: TopicName, partition: PartitionId) -> Self {
        Self { topic, partition }
    }
}

impl fmt::Display for TopicPartition {
    /// As Kafka's tools and logs write it: `topic-partition`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

impl FromStr for TopicPartition {
    type Err = InvalidId;

    /// As it is displayed. A topic's name may have hyphens too: the number is after the last one.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let unreadable = || InvalidId::TopicPartition(shorten(text));
        let (topic, number) = text.rsplit_once('-').ok_or_else(unreadable)?;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let number: i64 = if is_number {
            number.parse().map_err(|_| unreadable())?
        } else {
            return Err(unreadable());
        };
        Ok(Self::new(topic.parse()?, number.try_into()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_name_is_what_kafka_takes_and_nothing_else() {
        for good in [
            "a",
            "orders.v1",
            "__consumer_offsets",
            "A-b_c.9",
            &"x".repeat(249),
        ] {
            assert_eq!(good.parse::<TopicName>().unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", "a b", "a/b", "ü", "a\n", &"x".repeat(250)] {
            assert!(bad.parse::<TopicName>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn ids_below_zero_or_beyond_32_bits_are_refused_from_json() {
        assert!(serde_json::from_str::<BrokerId>("7").is_ok());
        for bad in ["-1", "2147483648", "\"7\"", "1.5", "null"] {
            assert!(serde_json::from_str::<BrokerId>(bad).is_err(), "{bad} was taken");
            assert!(
                serde_json::from_str::<PartitionId>(bad).is_err(),
                "{bad} was taken"
            );
        }
    }

    #[test]
    fn a_partition_has_one_replica_at_least_and_as_many_as_kafka_can_say() {
        for good in ["1", "32767"] {
            assert!(serde_json::from_str::<ReplicationFactor>(good).is_ok(), "{good}");
        }
        for bad in ["0", "-1", "32768", "65537", "1.5", "null"] {
            assert!(
                serde_json::from_str::<ReplicationFactor>(bad).is_err(),
                "{bad} was taken"
            );
        }
    }

    #[test]
    fn a_partition_reads_as_kafkas_tools_write_it() {
        let partition: TopicPartition = serde_json::from_str(r#"{"topic":"orders","partition":3}"#).unwrap();
        assert_eq!(partition.to_string(), "orders-3");
        assert_eq!("orders-3".parse(), Ok(partition));
        for text in ["orders.eu-west-0", "a-1-2", "--7"] {
            assert_eq!(text.parse::<TopicPartition>().unwrap().to_string(), text);
        }
        for bad in [
            "orders",
            "orders-",
            "-3",
            "orders-x",
            "orders-+3",
            "or ders-3",
            "orders-2147483648",
        ] {
            assert!(bad.parse::<TopicPartition>().is_err(), "{bad} was taken");
        }
    }
}
