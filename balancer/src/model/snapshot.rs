//! The offline JSON of a cluster: read row by row, without a tree of it, and written.
//!
//! Rates are bytes per second, disk is bytes, CPU any unit. The first replica of a partition leads it. A broker may also
//! have `room`, the bytes free in its fullest log directory.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::io::{Read, Write};
use std::marker::PhantomData;
use std::sync::Arc;

use kafka::ids::{BrokerId, PartitionId, TopicName};
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use super::builder::MAX_BROKERS;
use super::{
    Broker, BrokerState, Builder, InvalidModel, Model, PartitionIndex, PartitionLoad, PartitionRow,
    PerResource, Topic,
};

/// A snapshot that cannot be read or written.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// Not JSON, or not of this shape.
    #[error("the snapshot is not valid{}: {source}", within(.path))]
    Json {
        /// Where, as far as it is known.
        path: String,
        /// What serde found.
        #[source]
        source: serde_json::Error,
    },
    /// It cannot be read.
    #[error("the snapshot cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// More text than any cluster that is supported has.
    #[error("the snapshot has more than {} MB", MOST_BYTES / 1_000_000)]
    TooLong,
    /// Rows that contradict each other.
    #[error("the snapshot is not valid: {0}")]
    Model(#[from] InvalidModel),
}

/// A partition takes some 200 bytes of text, and a model has some million partitions.
const MOST_BYTES: u64 = 8_000_000_000;

fn within(path: &str) -> String {
    if path.is_empty() {
        String::new()
    } else {
        format!(" at {path}")
    }
}

/// Reads a snapshot.
///
/// # Errors
///
/// Text that is no JSON of the documented shape, or a cluster that cannot be; both name the place.
pub fn read(reader: impl Read) -> Result<Model, SnapshotError> {
    Ok(read_rows(reader)?.build()?)
}

/// Reads a snapshot's rows, of which [`Builder::build`] makes the model.
///
/// # Errors
///
/// As [`read`], but for rows that contradict each other.
pub fn read_rows(reader: impl Read) -> Result<Builder, SnapshotError> {
    let mut text = Vec::new();
    // One byte more than is allowed tells a text that is too long from one that just fits.
    let read = reader.take(MOST_BYTES + 1).read_to_end(&mut text)?;
    if read as u64 > MOST_BYTES {
        return Err(SnapshotError::TooLong);
    }
    let place = RefCell::new(String::new());
    // Text in memory is read twice as fast as a stream, and its names need not be copied.
    let mut json = serde_json::Deserializer::from_slice(&text);
    Document { place: &place }
        .deserialize(&mut json)
        .and_then(|builder| json.end().map(|()| builder))
        .map_err(|source| SnapshotError::Json {
            path: place.take(),
            source,
        })
}

/// Writes a snapshot. The leader is written as the first replica, since the format knows no other leader.
///
/// # Errors
///
/// What the writer reports.
pub fn write(model: &Model, writer: impl Write) -> Result<(), SnapshotError> {
    serde_json::to_writer(std::io::BufWriter::new(writer), &Written(model)).map_err(|source| {
        SnapshotError::Json {
            path: String::new(),
            source,
        }
    })
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BrokerEntry {
    id: BrokerId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rack: Option<Arc<str>>,
    state: BrokerState,
    capacity: PerResource,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    room: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PartitionEntry<'a> {
    #[serde(borrow)]
    topic: Cow<'a, str>,
    partition: PartitionId,
    replicas: Vec<BrokerId>,
    load: PartitionLoad,
}

struct Document<'a> {
    place: &'a RefCell<String>,
}

impl<'de> DeserializeSeed<'de> for Document<'_> {
    type Value = Builder;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Builder, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Document<'_> {
    type Value = Builder;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `brokers` and `partitions`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Builder, A::Error> {
        let mut builder = Builder::default();
        let (mut brokers, mut partitions) = (false, false);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "brokers" if !brokers => {
                    brokers = true;
                    map.next_value_seed(Rows::<BrokerEntry>::new(self.place, &mut builder))?;
                }
                "partitions" if !partitions => {
                    partitions = true;
                    map.next_value_seed(Rows::<PartitionEntry<'_>>::new(self.place, &mut builder))?;
                }
                "brokers" | "partitions" => return Err(A::Error::custom(format!("`{key}` is there twice"))),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    return Err(A::Error::unknown_field(&key, &["brokers", "partitions"]));
                }
            }
        }
        if !brokers {
            return Err(A::Error::missing_field("brokers"));
        }
        if !partitions {
            return Err(A::Error::missing_field("partitions"));
        }
        Ok(builder)
    }
}

/// An entry of one of the two arrays.
trait Entry<'de>: Deserialize<'de> {
    const COLUMN: &'static str;

    fn add(self, builder: &mut Builder, row: usize) -> Result<(), String>;
}

impl Entry<'_> for BrokerEntry {
    const COLUMN: &'static str = "brokers";

    fn add(self, builder: &mut Builder, row: usize) -> Result<(), String> {
        if row >= MAX_BROKERS {
            return Err(format!("more than {MAX_BROKERS} brokers are not supported"));
        }
        builder.broker(Broker {
            id: self.id,
            rack: self.rack,
            state: self.state,
            capacity: self.capacity,
            room: self.room,
            excluded: false,
        });
        Ok(())
    }
}

impl<'de> Entry<'de> for PartitionEntry<'de> {
    const COLUMN: &'static str = "partitions";

    fn add(self, builder: &mut Builder, _row: usize) -> Result<(), String> {
        let topic = match builder.find_topic(&self.topic) {
            Some(topic) => topic,
            None => {
                let name: TopicName = self.topic.parse().map_err(|e| format!("topic: {e}"))?;
                builder.topic(&name, || Topic {
                    name: name.clone(),
                    id: [0; 16],
                    excluded: false,
                })
            }
        };
        let row = PartitionRow {
            topic,
            number: self.partition,
            leader: self.replicas.first().copied(),
            replicas: &self.replicas,
            lagging: &[],
            load: self.load,
            immovable: false,
        };
        builder.partition(&row).map(drop).map_err(|e| e.to_string())
    }
}

/// An array whose entries are added as they come, so that the text is never held as a tree.
struct Rows<'a, T> {
    place: &'a RefCell<String>,
    builder: &'a mut Builder,
    entry: PhantomData<T>,
}

impl<'a, T> Rows<'a, T> {
    fn new(place: &'a RefCell<String>, builder: &'a mut Builder) -> Self {
        Self {
            place,
            builder,
            entry: PhantomData,
        }
    }
}

impl<'de, T: Entry<'de>> DeserializeSeed<'de> for Rows<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Entry<'de>> Visitor<'de> for Rows<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        for row in 0.. {
            let entry = entries
                .next_element::<T>()
                .inspect_err(|_| self.place.replace(format!("{}[{row}]", T::COLUMN)).clear())?;
            let Some(entry) = entry else { break };
            entry.add(self.builder, row).map_err(|reason| {
                self.place.replace(format!("{}[{row}]", T::COLUMN)).clear();
                A::Error::custom(reason)
            })?;
        }
        Ok(())
    }
}

struct Written<'a>(&'a Model);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Both<'a> {
            brokers: Vec<BrokerEntry>,
            partitions: WrittenPartitions<'a>,
        }
        let brokers = self.0.brokers().map(|row| {
            let broker = self.0.broker(row);
            BrokerEntry {
                id: broker.id,
                rack: broker.rack.clone(),
                state: broker.state,
                capacity: broker.capacity,
                room: broker.room,
            }
        });
        Both {
            brokers: brokers.collect(),
            partitions: WrittenPartitions(self.0),
        }
        .serialize(serializer)
    }
}

struct WrittenPartitions<'a>(&'a Model);

impl Serialize for WrittenPartitions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.partitions().map(|row| WrittenPartition(self.0, row)))
    }
}

struct WrittenPartition<'a>(&'a Model, PartitionIndex);

impl Serialize for WrittenPartition<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Entry<'a> {
            topic: &'a TopicName,
            partition: PartitionId,
            replicas: Vec<BrokerId>,
            load: &'a PartitionLoad,
        }
        let Self(model, row) = *self;
        let leader = model.leader(row);
        let followers = model
            .replicas(row)
            .iter()
            .copied()
            .filter(|&broker| Some(broker) != leader);
        let replicas = leader.into_iter().chain(followers);
        Entry {
            topic: &model.topic(model.topic_of(row)).name,
            partition: model.number(row),
            replicas: replicas.map(|broker| model.broker(broker).id).collect(),
            load: model.load(row),
        }
        .serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROKERS: &str = r#""brokers":[
        {"id":0,"rack":"r0","state":"alive","capacity":{"bytes_in":3e8,"bytes_out":3e8,"disk":1e12,"cpu":100}},
        {"id":1,"rack":"r1","state":"new","capacity":{"bytes_in":3e8,"bytes_out":3e8,"disk":1e12,"cpu":100}}]"#;

    fn partition(number: i32, replicas: &str) -> String {
        format!(
            r#"{{"topic":"t","partition":{number},"replicas":{replicas},
               "load":{{"bytes_in":1,"bytes_out":2,"disk":3,"cpu_leader":0.5,"cpu_follower":0.25}}}}"#
        )
    }

    fn message(text: &str) -> String {
        read(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_written_reads_back_as_the_same_model() {
        let text = format!(
            "{{{BROKERS},\"partitions\":[{},{}]}}",
            partition(1, "[1]"),
            partition(0, "[0,1]")
        );
        let model = read(text.as_bytes()).unwrap();
        assert_eq!(model.partitions().len(), 2);
        let mut written = Vec::new();
        write(&model, &mut written).unwrap();
        assert_eq!(read(written.as_slice()).unwrap(), model);
    }

    #[test]
    fn what_no_cluster_can_be_is_refused_with_the_reason() {
        let with = |partitions: &str| message(&format!("{{{BROKERS},\"partitions\":[{partitions}]}}"));
        let brokers = |broker: &str| message(&format!("{{\"brokers\":[{broker}],\"partitions\":[]}}"));
        let capacity = |figure: &str| {
            format!(
                r#"{{"id":0,"state":"alive","capacity":{{"bytes_in":{figure},"bytes_out":1,"disk":1,"cpu":1}}}}"#
            )
        };
        let one = capacity("1");
        for (refused, reason) in [
            (
                with(&partition(0, "[0,1,0]")),
                "partitions[0].replicas: broker 0 is there twice",
            ),
            (with(&partition(0, "[]")), "partitions[0].replicas: there is none"),
            (
                with(&partition(0, "[0]").replace(":2,", ":NaN,")),
                "partitions[0]: expected value",
            ),
            (
                with(&partition(0, "[0]").replace(":2,", ":1e999,")),
                "partitions[0]: number out of range",
            ),
            (
                with(&partition(0, "[0]").replace(":2,", ":1e30,")),
                "partitions[0].load.bytes_out: 1000",
            ),
            (brokers(""), "brokers: there is none"),
            (
                brokers(&format!("{one},{one}")),
                "brokers[1].id: broker 0 is there twice",
            ),
            (
                brokers(&capacity("0")),
                "brokers[0].capacity.bytes_in: 0 is no number above 0",
            ),
            (
                brokers(&capacity("-1")),
                "brokers[0].capacity.bytes_in: -1 is no number above 0",
            ),
            (
                brokers(&one.replace("alive", "tired")),
                "brokers[0]: unknown variant `tired`",
            ),
            (
                brokers(&one.replace("\"state\"", "\"room\":-1,\"state\"")),
                "brokers[0].room: -1 is no number",
            ),
        ] {
            assert!(refused.contains(reason), "`{refused}` does not say `{reason}`");
        }
    }

    #[test]
    fn partitions_may_come_before_brokers() {
        let text = format!("{{\"partitions\":[{}],{BROKERS}}}", partition(0, "[0,1]"));
        assert_eq!(read(text.as_bytes()).unwrap().replica_count(), 2);
    }

    #[test]
    fn an_error_names_the_place_and_the_cause() {
        let partitions = [0, 1, 2].map(|n| partition(n, "[0]")).join(",");
        let unknown = format!(
            "{{{BROKERS},\"partitions\":[{partitions},{}]}}",
            partition(3, "[9]")
        );
        assert!(message(&unknown).contains("partitions[3].replicas: broker 9 is not among the brokers"));

        let twice = format!(
            "{{{BROKERS},\"partitions\":[{partitions},{}]}}",
            partition(2, "[0]")
        );
        assert!(message(&twice).contains("t-2 is there twice"));

        let extra = partition(0, "[0]").replace("\"load\"", "\"colour\":1,\"load\"");
        let extra = message(&format!("{{{BROKERS},\"partitions\":[{extra}]}}"));
        assert!(
            extra.contains("partitions[0]") && extra.contains("colour"),
            "{extra}"
        );

        let negative = partition(0, "[0]").replace("\"bytes_in\":1", "\"bytes_in\":-1");
        let negative = message(&format!("{{{BROKERS},\"partitions\":[{negative}]}}"));
        assert!(negative.contains("partitions[0].load.bytes_in: -1"), "{negative}");

        assert!(message("{\"partitions\":[]}").contains("brokers"));
        assert!(message("").contains("not valid"));
    }
}
