//! How the journal's records are written: a key that says what a record is about, and a versioned JSON value.

use kafka::compacted_log::Entry;
use kafka::ids::{BrokerId, PartitionId, TopicName, TopicPartition};
use thiserror::Error;

use super::record::{
    BrokerThrottle, CoolDown, Direction, Drain, FinishedPlan, Mode, MoveProgress, PlanHead, PlanId,
    Replication, Spent, TopicThrottle, Whole,
};
use super::versions::{self, Body, unknown_key};

/// One record of the journal. None takes what the record is about out of the journal.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// That this is where the journal began, or where all that was lost of it has been made good: one without it has
    /// lost something.
    Whole,
    /// The mode.
    Mode(Mode),
    /// The mode of the configuration.
    Configured(Option<Mode>),
    /// A broker to be emptied.
    Drain(BrokerId, Option<Drain>),
    /// A topic that is to have so many replicas.
    Replication(TopicName, Option<Replication>),
    /// A plan.
    Plan(PlanId, Option<PlanHead>),
    /// A plan's move, by its place in the plan.
    Move(PlanId, u32, Option<MoveProgress>),
    /// A broker's rate.
    BrokerThrottle(BrokerId, Direction, Option<BrokerThrottle>),
    /// A topic's throttled replicas.
    TopicThrottle(TopicName, Direction, Option<TopicThrottle>),
    /// A plan that is over.
    Finished(PlanId, Option<FinishedPlan>),
    /// What was started in the last hour.
    Usage(Vec<Spent>),
    /// When a partition was moved.
    CoolDown(TopicPartition, Option<CoolDown>),
}

/// A record that was left alone because it could not be understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("journal record `{key}` is left alone: {why}")]
pub struct Skipped {
    /// The record's key, shortened.
    pub key: String,
    /// What is wrong with it, and what to do.
    pub why: String,
}

impl Record {
    /// The record as the log keeps it.
    ///
    /// # Errors
    ///
    /// When a value cannot be put into JSON.
    pub fn to_entry(&self) -> Result<Entry, serde_json::Error> {
        Ok(Entry {
            key: self.key(),
            value: self.value()?,
        })
    }

    fn key(&self) -> String {
        match self {
            Self::Whole => "whole".to_owned(),
            Self::Mode(_) => "mode".to_owned(),
            Self::Configured(_) => "configured".to_owned(),
            Self::Drain(broker, _) => format!("drain/{broker}"),
            Self::Replication(topic, _) => format!("replication/{topic}"),
            Self::Plan(plan, _) => format!("plan/{plan}"),
            Self::Move(plan, place, _) => format!("move/{plan}/{place}"),
            Self::BrokerThrottle(broker, direction, _) => {
                format!("throttle/broker/{broker}/{}", direction.name())
            }
            Self::TopicThrottle(topic, direction, _) => {
                format!("throttle/topic/{topic}/{}", direction.name())
            }
            Self::Finished(plan, _) => format!("history/{plan}"),
            Self::Usage(_) => "usage".to_owned(),
            Self::CoolDown(moved, _) => format!("cooldown/{}/{}", moved.topic, moved.partition),
        }
    }

    fn value(&self) -> Result<Option<Vec<u8>>, serde_json::Error> {
        match self {
            Self::Whole => write(Some(&Whole {})),
            Self::Mode(mode) => write(Some(mode)),
            Self::Configured(mode) => write(mode.as_ref()),
            Self::Drain(_, body) => write(body.as_ref()),
            Self::Replication(_, body) => write(body.as_ref()),
            Self::Plan(_, body) => write(body.as_ref()),
            Self::Move(_, _, body) => write(body.as_ref()),
            Self::BrokerThrottle(_, _, body) => write(body.as_ref()),
            Self::TopicThrottle(_, _, body) => write(body.as_ref()),
            Self::Finished(_, body) => write(body.as_ref()),
            Self::Usage(spent) => write(Some(spent)),
            Self::CoolDown(_, body) => write(body.as_ref()),
        }
    }

    /// Reads what the log kept.
    ///
    /// # Errors
    ///
    /// [`Skipped`] for an unknown key, a version that is newer than this program's, or a value that is not what the key promises.
    pub fn from_entry(entry: &Entry) -> Result<Self, Skipped> {
        parse(entry).map_err(|why| Skipped {
            key: entry.key.chars().take(300).collect(),
            why,
        })
    }
}

fn write<T: Body>(body: Option<&T>) -> Result<Option<Vec<u8>>, serde_json::Error> {
    body.map(versions::write).transpose()
}

fn parse(entry: &Entry) -> Result<Record, String> {
    let value = entry.value.as_deref();
    let parts: Vec<&str> = entry.key.split('/').collect();
    Ok(match parts[..] {
        ["whole"] => {
            read::<Whole>(value)?;
            Record::Whole
        }
        ["mode"] => Record::Mode(read(value)?.unwrap_or_default()),
        ["configured"] => Record::Configured(read(value)?),
        ["usage"] => Record::Usage(read(value)?.unwrap_or_default()),
        ["drain", broker] => Record::Drain(broker_id(broker)?, read(value)?),
        ["replication", topic] => Record::Replication(topic_name(topic)?, read(value)?),
        ["plan", plan] => Record::Plan(plan_id(plan)?, read(value)?),
        ["move", plan, place] => Record::Move(plan_id(plan)?, number(place)?, read(value)?),
        ["history", plan] => Record::Finished(plan_id(plan)?, read(value)?),
        ["throttle", "broker", broker, way] => {
            Record::BrokerThrottle(broker_id(broker)?, direction(way)?, read(value)?)
        }
        ["throttle", "topic", topic, way] => {
            Record::TopicThrottle(topic_name(topic)?, direction(way)?, read(value)?)
        }
        ["cooldown", topic, partition] => {
            let partition = PartitionId::try_from(number::<i32>(partition)?).map_err(|e| e.to_string())?;
            Record::CoolDown(TopicPartition::new(topic_name(topic)?, partition), read(value)?)
        }
        _ => return Err(unknown_key()),
    })
}

fn read<T: Body>(value: Option<&[u8]>) -> Result<Option<T>, String> {
    value.map(versions::read).transpose()
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    text.parse()
        .map_err(|_| "its key holds no number where one belongs".to_owned())
}

fn plan_id(text: &str) -> Result<PlanId, String> {
    number(text).map(PlanId)
}

fn broker_id(text: &str) -> Result<BrokerId, String> {
    BrokerId::try_from(number::<i32>(text)?).map_err(|error| error.to_string())
}

fn topic_name(text: &str) -> Result<TopicName, String> {
    text.parse()
        .map_err(|error: kafka::ids::InvalidId| error.to_string())
}

fn direction(text: &str) -> Result<Direction, String> {
    Direction::BOTH
        .into_iter()
        .find(|direction| direction.name() == text)
        .ok_or_else(|| "its key names no direction".to_owned())
}
