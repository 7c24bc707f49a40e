//! The command line.

use std::str::FromStr;
use std::time::Duration;

use clap::Parser;
use load::{Connection, GroupSettings, LoadSettings, Shift, TopicSettings};

/// Writes records with idempotent producers at a given rate, reads along with consumer groups, and at the end
/// reads everything back to prove that every acknowledged record is there once and in order.
///
/// Prints one JSON object a line. Exits with 1 when a record was lost, duplicated or out of order, with 2 when
/// that could not be found out.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Arguments {
    /// Where to reach the cluster, as in `127.0.0.1:9092,127.0.0.1:9093`.
    #[arg(long)]
    bootstrap: String,
    /// Another librdkafka property, as in `security.protocol=SSL`; may be repeated.
    #[arg(long = "property", value_name = "KEY=VALUE", value_parser = property)]
    properties: Vec<(String, String)>,
    /// A topic and its number of partitions; may be repeated, the most used topic first.
    #[arg(long = "topic", value_name = "NAME:PARTITIONS", value_parser = topic, required = true)]
    topics: Vec<TopicSettings>,
    /// Create the topics first, with this replication factor.
    #[arg(long, value_name = "REPLICATION_FACTOR")]
    pub(crate) create: Option<i32>,
    /// All topics together, in bytes/s.
    #[arg(long, default_value_t = 4e6)]
    rate: f64,
    /// The exponent of Zipf's law over the topics; 0 makes them equal.
    #[arg(long, default_value_t = 0.0)]
    topic_skew: f64,
    /// The exponent of Zipf's law over the partitions of a topic.
    #[arg(long, default_value_t = 0.0)]
    partition_skew: f64,
    /// The smallest value, in bytes.
    #[arg(long, default_value_t = 1_024)]
    min_value_bytes: usize,
    /// The largest value, in bytes.
    #[arg(long, default_value_t = 4_096)]
    max_value_bytes: usize,
    /// How many producers.
    #[arg(long, default_value_t = 1)]
    producers: u32,
    /// How long a producer waits for more records before it sends some, in milliseconds.
    #[arg(long, default_value_t = 20)]
    linger_ms: u32,
    /// A consumer group, of all topics or of those named; may be repeated.
    #[arg(long = "group", value_name = "ID[=TOPIC,TOPIC…]")]
    groups: Vec<String>,
    /// Multiply the rate of a topic or partition some seconds after the start, as in `orders:3*8@60`; may be
    /// repeated.
    #[arg(long = "shift", value_name = "TOPIC[:PARTITION]*FACTOR@SECONDS")]
    pub(crate) shifts: Vec<ShiftAt>,
    /// How long, in seconds.
    #[arg(long, default_value_t = 60)]
    duration: u32,
    /// How often progress is printed, in seconds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    report_every: u32,
    /// Makes which partition is hot, sizes and keys repeatable.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Arguments {
    pub(crate) fn settings(&self) -> LoadSettings {
        let connection = Connection {
            bootstrap: self.bootstrap.clone(),
            properties: self.properties.iter().cloned().collect(),
        };
        LoadSettings {
            bytes_per_second: self.rate,
            topic_skew: self.topic_skew,
            partition_skew: self.partition_skew,
            value_bytes: self.min_value_bytes..=self.max_value_bytes,
            producers: self.producers,
            linger: Duration::from_millis(self.linger_ms.into()),
            groups: self.groups.iter().map(|group| self.group(group)).collect(),
            seed: self.seed,
            ..LoadSettings::new(connection, self.topics.clone())
        }
    }

    fn group(&self, argument: &str) -> GroupSettings {
        let (id, topics) = match argument.split_once('=') {
            Some((id, topics)) => (id, topics.split(',').map(str::to_owned).collect()),
            None => (
                argument,
                self.topics.iter().map(|topic| topic.name.clone()).collect(),
            ),
        };
        GroupSettings {
            id: id.to_owned(),
            topics,
            commit_interval: Duration::from_secs(5),
        }
    }

    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs(self.duration.into())
    }

    pub(crate) fn report_every(&self) -> Duration {
        Duration::from_secs(self.report_every.into())
    }
}

/// A shift and when it comes, since the start.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ShiftAt {
    pub(crate) shift: Shift,
    pub(crate) at: Duration,
}

impl FromStr for ShiftAt {
    type Err = String;

    fn from_str(argument: &str) -> Result<Self, String> {
        let malformed = || format!("`{argument}` is not like `orders:3*8@60`");
        let (target, rest) = argument.split_once('*').ok_or_else(malformed)?;
        let (factor, at) = rest.split_once('@').ok_or_else(malformed)?;
        let (topic, partition) = match target.split_once(':') {
            Some((topic, partition)) => (topic, Some(partition.parse().map_err(|_| malformed())?)),
            None => (target, None),
        };
        let seconds: u32 = at.parse().map_err(|_| malformed())?;
        Ok(Self {
            shift: Shift {
                topic: topic.to_owned(),
                partition,
                factor: factor.parse().map_err(|_| malformed())?,
            },
            at: Duration::from_secs(seconds.into()),
        })
    }
}

fn property(argument: &str) -> Result<(String, String), String> {
    let (key, value) = argument.split_once('=').ok_or("a property is KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn topic(argument: &str) -> Result<TopicSettings, String> {
    let malformed = || format!("`{argument}` is not like `orders:12`");
    let (name, partitions) = argument.rsplit_once(':').ok_or_else(malformed)?;
    Ok(TopicSettings {
        name: name.to_owned(),
        partitions: partitions.parse().map_err(|_| malformed())?,
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_shift_names_a_partition_or_a_whole_topic() {
        let shift: ShiftAt = "orders:3*8.5@60".parse().unwrap();
        assert_eq!(shift.shift.partition, Some(3));
        assert_eq!((shift.shift.factor, shift.at), (8.5, Duration::from_secs(60)));
        assert_eq!("clicks*2@5".parse::<ShiftAt>().unwrap().shift.partition, None);
        assert!("clicks*2".parse::<ShiftAt>().is_err());
    }
}
