//! How long brokers have been away: pure.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka::ids::BrokerId;

use crate::model::{BrokerState, Model};

/// Since when brokers that host something have been away.
#[derive(Debug, Default)]
pub(super) struct Away(BTreeMap<BrokerId, Duration>);

impl Away {
    /// Takes in what was seen at `now`, by a clock that never goes back.
    pub(super) fn see(&mut self, model: &Model, now: Duration) {
        let brokers = model.brokers().map(|row| model.broker(row));
        self.0 = brokers
            .filter(|broker| broker.state == BrokerState::Dead)
            .map(|broker| (broker.id, self.0.get(&broker.id).copied().unwrap_or(now)))
            .collect();
    }

    /// Whether a broker is away and has not been for `grace` yet, so that it is more likely to come back than not.
    pub(super) fn is_short(&self, broker: BrokerId, grace: Duration, now: Duration) -> bool {
        let since = self.0.get(&broker);
        since.is_some_and(|since| now.saturating_sub(*since) < grace)
    }
}
