//! What people ask of the loop, done.

use std::collections::{BTreeMap, BTreeSet};

use kafka::ids::ReplicationFactor;
use kafka::{BrokerId, Cluster, CompactedLog, TopicName};

use super::{Balancer, Hands};
use crate::action::{Action, ActionError};
use crate::journal::{Mode, Outcome, PlanId, StopHow};
use crate::observe::ReportSource;
use crate::serve::show;

impl<C: Cluster + Clone, L: CompactedLog, R: ReportSource> Balancer<C, L, R> {
    /// Does what somebody asks for; answers in a sentence what came of it.
    pub(super) async fn act(&mut self, action: Action) -> Result<String, ActionError> {
        let now = self.timestamp();
        tracing::info!(?action, "Somebody asks for an action.");
        let known = self.known_brokers();
        let orders = match &action {
            Action::Replicate { topics } => self.replications(topics, now).await?,
            _ => Vec::new(),
        };
        let executor = match &mut self.hands {
            Hands::Open(executor) => executor,
            Hands::Opening { reason } => return Err(ActionError::NoJournal(reason.clone())),
            Hands::Fenced => return Err(ActionError::Fenced),
        };
        let done = match action {
            Action::Approve { plan, moves: None } => {
                executor.approve(PlanId(plan), now).await?;
                format!("Plan {plan} is being executed.")
            }
            Action::Approve {
                plan,
                moves: Some(chosen),
            } => {
                let others = executor.approve_only(PlanId(plan), &chosen, now).await?;
                crate::metrics::count_ends(&show::outcome_name(&Outcome::NotApproved), others);
                let count = chosen.len();
                format!("{count} moves of plan {plan} are being executed, {others} are not approved.")
            }
            Action::Pause => {
                let plan = executor.pause(now).await?;
                format!("Plan {plan} is paused: what is in flight goes on to its end, nothing new starts.")
            }
            Action::Resume => {
                let plan = executor.resume(now).await?;
                format!("Plan {plan} goes on.")
            }
            Action::Stop { at_once } => {
                let how = if at_once { StopHow::AtOnce } else { StopHow::Gently };
                let stopped = executor.stop(how, now).await;
                executor.set_mode(Mode::Observe, now).await?;
                stopped?;
                stopping(how).to_owned()
            }
            Action::Drain { brokers } => {
                if let Some(unknown) = brokers.iter().find(|broker| !known.contains(broker)) {
                    return Err(ActionError::UnknownBroker(*unknown));
                }
                for broker in &brokers {
                    executor.drain(*broker, now).await?;
                }
                format!("Brokers {} are to be emptied.", show::broker_list(&brokers))
            }
            Action::Undrain { brokers } => {
                for broker in &brokers {
                    executor.undrain(*broker, now).await?;
                }
                format!("Brokers {} may take load again.", show::broker_list(&brokers))
            }
            Action::Replicate { topics } => {
                executor.replicate(orders).await?;
                replicating(&topics)
            }
            Action::Rebalance => {
                self.rebalance_asked = true;
                "A plan for a better balance is being made.".to_owned()
            }
            Action::Mode(mode) => {
                executor.set_mode(mode, now).await?;
                format!("The mode is {}.", show::mode_name(mode))
            }
        };
        Ok(done)
    }

    fn known_brokers(&self) -> BTreeSet<BrokerId> {
        let description = self.last.iter().map(|looked| &looked.observation.description);
        description
            .flat_map(|description| &description.brokers)
            .map(|broker| broker.id)
            .collect()
    }
}

fn stopping(how: StopHow) -> &'static str {
    match how {
        StopHow::AtOnce => "Moves in progress are being cancelled; the mode is observe.",
        StopHow::Gently => "Moves in progress are finished, no other starts; the mode is observe.",
    }
}

fn replicating(topics: &BTreeMap<TopicName, Option<ReplicationFactor>>) -> String {
    let said = topics.iter().map(|(topic, replicas)| match replicas {
        Some(replicas) => format!("{topic} {replicas}"),
        None => format!("{topic} as many as now"),
    });
    let said = show::first_of(said, topics.len());
    format!("Each partition of these topics is to have so many replicas: {said}.")
}
