//! What is hot, in words with figures.

use crate::api::view::{HotBrokerView, HotList, HotPartitionView};
use crate::detect::{Cause, HotBroker, HotPartition, Verdict};
use crate::model::{Model, Resource};

use super::Picture;

/// The hot list as the API shows it.
pub(super) fn hot_list(picture: &Picture<'_>) -> HotList {
    let now = picture.now_ms;
    let model = picture.current;
    HotList {
        brokers: picture
            .detection
            .brokers
            .iter()
            .map(|hot| broker(hot, now))
            .collect(),
        partitions: picture
            .detection
            .partitions
            .iter()
            .map(|hot| partition(hot, model))
            .collect(),
    }
}

fn broker(hot: &HotBroker, now: u64) -> HotBrokerView {
    let lasting = u64::try_from(hot.since.as_millis()).unwrap_or(u64::MAX);
    HotBrokerView {
        broker: hot.broker,
        resource: hot.resource,
        utilisation: hot.utilisation,
        mean: hot.utilisation / hot.relative,
        since_ms: now.saturating_sub(lasting),
        cause: cause_name(&hot.cause).to_owned(),
        explanation: format!(
            "uses {:.0} % of its {}, {:.0} % of the mean: {}",
            hot.utilisation * 100.0,
            hot.resource.name(),
            hot.relative * 100.0,
            why(&hot.cause),
        ),
    }
}

fn partition(hot: &HotPartition, model: &Model) -> HotPartitionView {
    let leader = model.find(&hot.partition).and_then(|row| model.leader(row));
    HotPartitionView {
        topic: hot.partition.topic.clone(),
        partition: hot.partition.partition,
        leader: leader.map(|row| model.broker(row).id),
        broker: hot.broker,
        resource: hot.resource,
        load: hot.load,
        cause: cause_name(&hot.cause).to_owned(),
        explanation: format!(
            "takes {} of {} on broker {}, {:.0} % of what that carries: {}",
            hot.resource.amount(hot.load),
            hot.resource.name(),
            hot.broker,
            hot.share * 100.0,
            why(&hot.cause),
        ),
        verdict: verdict_name(&hot.verdict).to_owned(),
        advice: advice(&hot.verdict, hot.resource),
        partitions_that_would_help: match hot.verdict {
            Verdict::Split {
                partitions_that_would_help,
                ..
            } => Some(partitions_that_would_help),
            _ => None,
        },
    }
}

fn cause_name(cause: &Cause) -> &'static str {
    match cause {
        Cause::HotPartition { .. } => "hot_partition",
        Cause::HotTopic { .. } => "hot_topic",
        Cause::TooManyLeaders { .. } => "too_many_leaders",
        Cause::SmallBroker { .. } => "small_broker",
        Cause::SkewedKeys { .. } => "skewed_keys",
        Cause::TooMuch { .. } => "too_much",
    }
}

fn why(cause: &Cause) -> String {
    match cause {
        Cause::HotPartition { partition, share } => {
            format!("{partition} alone is {:.0} % of the load", share * 100.0)
        }
        Cause::HotTopic { topic, share } => format!("{topic} is {:.0} % of the load", share * 100.0),
        Cause::TooManyLeaders { leaders, mean } => {
            format!("it leads {leaders} partitions where {mean:.0} is the mean")
        }
        Cause::SmallBroker { capacity } => {
            format!(
                "it can carry {:.0} % of what a broker can in the mean",
                capacity * 100.0
            )
        }
        Cause::SkewedKeys { ratio } => {
            format!(
                "it is {ratio:.1} times the median of its topic's partitions, so a few keys get most records"
            )
        }
        Cause::TooMuch { .. } => "nothing sticks out, there is too much on it".to_owned(),
    }
}

fn verdict_name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::LeadElsewhere { .. } => "lead_elsewhere",
        Verdict::Move { .. } => "move",
        Verdict::Swap { .. } => "swap",
        Verdict::Isolate { .. } => "isolate",
        Verdict::Split { .. } => "split",
    }
}

fn advice(verdict: &Verdict, resource: Resource) -> String {
    match verdict {
        Verdict::LeadElsewhere { to, relief } => {
            format!(
                "let broker {to} lead it: that takes {} off at no copy",
                resource.amount(*relief)
            )
        }
        Verdict::Move { to, bytes, relief } => format!(
            "move it to broker {to}: {} to copy take {} off",
            Resource::Disk.amount(*bytes),
            resource.amount(*relief)
        ),
        Verdict::Swap { with, lacking } => format!(
            "swap it with something smaller: broker {with} lacks {} for it as it is",
            resource.amount(*lacking)
        ),
        Verdict::Isolate { share } => format!(
            "isolate it: it takes {:.0} % of what a broker should carry, so most else has to go",
            share * 100.0
        ),
        Verdict::Split {
            load,
            limit,
            partitions_that_would_help,
        } => format!(
            "no placement helps: it takes {} where a broker should carry {} at most; split it: about \
             {partitions_that_would_help} partitions in its place would do, if the keys spread evenly",
            resource.amount(*load),
            resource.amount(*limit)
        ),
    }
}
