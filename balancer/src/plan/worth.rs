//! Whether a copy is worth what it costs, and which were not.

use kafka::ids::{BrokerId, TopicPartition};
use serde::{Deserialize, Serialize};

use super::PlanSettings;
use super::placement::Placement;
use crate::model::{BrokerIndex, Model, PartitionIndex};

/// So many copies that are left out are named, those that would gain most.
const MOST: usize = 20;

/// What one plan may take of the time for which a broker has been hot; the next ones add to it.
const PART: f64 = 0.25;

/// A copy that would help and is not in the plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// The partition.
    pub partition: TopicPartition,
    /// The broker that it would relieve.
    pub broker: BrokerId,
    /// Bytes that it would copy.
    pub bytes: u64,
    /// By how much it would lower the broker's excess; see [`super::Move::gain`].
    pub gain: f64,
    /// Why it is not made, in a sentence with figures.
    pub reason: String,
}

/// What copies may cost, and what was found too costly.
///
/// Heat that has lasted for a while will probably last about as long again (J. R. Gott, Implications of the Copernican
/// principle for our future prospects, Nature 363, 1993). So the copies off a broker together may take about as long as
/// it has been hot: a spike of seconds is not answered with gigabytes, and what stays hot gets more in each plan.
#[derive(Clone)]
pub(super) struct Worth<'a> {
    settings: &'a PlanSettings,
    /// Bytes that may still be copied for the sake of each broker.
    allowance: Vec<f64>,
    left_out: Vec<(f64, PartitionIndex, BrokerIndex, Reason)>,
}

#[derive(Debug, Clone, Copy)]
enum Reason {
    GainsTooLittle { cost: f64 },
    TakesTooLong { seconds: f64, hot: f64 },
}

impl<'a> Worth<'a> {
    pub(super) fn new(model: &Model, settings: &'a PlanSettings) -> Self {
        let allowance = model.brokers().map(|row| match &settings.hot_for {
            None => f64::INFINITY,
            Some(hot_for) => {
                let lasting = hot_for.get(&model.broker(row).id).copied().unwrap_or_default();
                lasting.as_secs_f64() * PART * settings.throttle
            }
        });
        Self {
            settings,
            allowance: allowance.collect(),
            left_out: Vec::new(),
        }
    }

    /// What copying so many bytes has to gain.
    pub(super) fn cost(&self, placement: &Placement<'_>, bytes: f64) -> f64 {
        self.settings.least_worth * bytes / placement.ledger.mean_disk
    }

    /// Whether a broker's heat has lasted long enough for copying so many bytes.
    pub(super) fn allows(&self, broker: BrokerIndex, bytes: f64) -> bool {
        bytes <= self.allowance[broker.get()]
    }

    /// Books bytes that are copied for the sake of a broker.
    pub(super) fn spend(&mut self, broker: BrokerIndex, bytes: f64) {
        self.allowance[broker.get()] -= bytes;
    }

    /// Notes a copy that would gain something, but less than it costs.
    pub(super) fn gains_too_little(
        &mut self,
        broker: BrokerIndex,
        partition: PartitionIndex,
        gain: f64,
        cost: f64,
    ) {
        self.leave_out(gain, partition, broker, Reason::GainsTooLittle { cost });
    }

    /// Notes a copy that would take longer than its broker has been hot.
    pub(super) fn takes_too_long(
        &mut self,
        placement: &Placement<'_>,
        broker: BrokerIndex,
        partition: PartitionIndex,
        gain: f64,
    ) {
        let model = placement.model;
        let hot_for = self.settings.hot_for.as_ref();
        let hot = hot_for.and_then(|hot| hot.get(&model.broker(broker).id));
        let reason = Reason::TakesTooLong {
            seconds: model.load(partition).disk / self.settings.throttle,
            hot: hot.map_or(0.0, std::time::Duration::as_secs_f64),
        };
        self.leave_out(gain, partition, broker, reason);
    }

    fn leave_out(&mut self, gain: f64, partition: PartitionIndex, broker: BrokerIndex, reason: Reason) {
        let is_known = |known: &(f64, PartitionIndex, BrokerIndex, Reason)| known.1 == partition;
        if gain <= 0.0 || self.left_out.iter().any(is_known) {
            return;
        }
        let place = self.left_out.partition_point(|known| known.0 >= gain);
        if place < MOST {
            self.left_out.truncate(MOST - 1);
            self.left_out.insert(place, (gain, partition, broker, reason));
        }
    }

    /// What was left out and has not found its way into the plan after all.
    pub(super) fn into_left_out(self, placement: &Placement<'_>) -> Vec<LeftOut> {
        let model = placement.model;
        let unchanged = |row: PartitionIndex| placement.replicas(row) == model.replicas(row);
        let rows = self.left_out.into_iter().filter(|(_, row, ..)| unchanged(*row));
        rows.map(|(gain, row, broker, reason)| LeftOut {
            partition: model.name(row),
            broker: model.broker(broker).id,
            bytes: model.load(row).disk.ceil() as u64,
            gain,
            reason: match reason {
                Reason::GainsTooLittle { cost } => {
                    format!("it would gain {gain:.4}, and its bytes have to gain {cost:.4}")
                }
                Reason::TakesTooLong { seconds, hot } => format!(
                    "copying takes {seconds:.0} s at the throttle, too long with the other copies off a broker that has \
                     been hot for {hot:.0} s; when it stays hot a later plan may have it"
                ),
            },
        })
        .collect()
    }
}
