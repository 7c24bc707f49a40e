//! Why a plan is due: pure.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka::ids::BrokerId;

use crate::model::{BrokerState, Model};
use crate::plan::Purpose;

/// Since when brokers that host something have been away.
#[derive(Debug, Default)]
pub(crate) struct Away(BTreeMap<BrokerId, Duration>);

impl Away {
    /// Takes in what was seen at `now`, by a clock that never goes back.
    pub(crate) fn see(&mut self, model: &Model, now: Duration) {
        let brokers = model.brokers().map(|row| model.broker(row));
        self.0 = brokers
            .filter(|broker| broker.state == BrokerState::Dead)
            .map(|broker| (broker.id, self.0.get(&broker.id).copied().unwrap_or(now)))
            .collect();
    }

    /// Whether a broker is away and has not been for `grace` yet, so that it is more likely to come back than not.
    fn is_short(&self, broker: BrokerId, grace: Duration, now: Duration) -> bool {
        let since = self.0.get(&broker);
        since.is_some_and(|since| now.saturating_sub(*since) < grace)
    }
}

/// Why a plan is due, if one is: what the brokers' states ask for comes first, then a better balance that somebody asked
/// for, then heat. A broker that has been away for less than `grace` is not emptied.
pub(crate) fn due(
    model: &Model,
    (away, grace, now): (&Away, Duration, Duration),
    is_asked: bool,
    is_hot: bool,
) -> Option<Purpose> {
    match Purpose::of_states(model) {
        Purpose::Drain(mut leaving) => {
            leaving.retain(|broker| !away.is_short(*broker, grace, now));
            (!leaving.is_empty()).then_some(Purpose::Drain(leaving))
        }
        Purpose::Fill(new) => Some(Purpose::Fill(new)),
        Purpose::Cool | Purpose::Rebalance => None,
    }
    .or_else(|| is_asked.then_some(Purpose::Rebalance))
    .or_else(|| is_hot.then_some(Purpose::Cool))
}
