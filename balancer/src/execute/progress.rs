//! The next step of a move that has been started.

use std::time::Duration;

use kafka::cluster::{Partition, Reassignment};
use kafka::ids::BrokerId;

use super::admission::may_remove;
use super::seen::Found;
use super::situation::Situation;
use super::step::{Change, MoveId, Step};
use crate::journal::{Doubt, MoveProgress, MoveState, Outcome, Phase, Record, StopHow, Timestamp, WhyDoubt};
use crate::plan::Move;

/// How long what a broker shows may lag behind what the controller knows. KRaft brokers follow within their fetch
/// wait, half a second; this leaves room for one that is busy.
pub(super) const SETTLE: Duration = Duration::from_secs(10);

/// How long it is remembered what a throttle was and what was there before it, for what a request that was long on its way
/// may bring back.
pub(super) const REMEMBERED: Duration = Duration::from_secs(1800);

/// How long Kafka may leave a request unanswered before a move is given up: longer than electing a controller takes.
const ANSWER: Duration = Duration::from_secs(120);

/// How long an election is tried.
const ELECTION: Duration = Duration::from_secs(60);

/// A started move and all that bears on it.
pub(super) struct Started<'a> {
    pub(super) id: MoveId,
    pub(super) progress: &'a MoveProgress,
    pub(super) phase: Phase,
    pub(super) situation: &'a Situation<'a>,
}

impl Started<'_> {
    /// The next step, if there is something to do.
    pub(super) fn next(&self) -> Option<Step> {
        let partition = match self.situation.seen.find(&self.progress.change) {
            Found::Another => return Some(self.end(Outcome::TopicRecreated)),
            Found::Nothing => return self.without_topic(),
            Found::Same(partition) => partition,
        };
        let listed = self.situation.seen.reassignments.get(&self.change().partition);
        if listed.is_some_and(|listed| listed.target() != self.change().to) {
            return Some(self.end(Outcome::ReassignedElsewhere));
        }
        match &self.progress.state {
            MoveState::Waiting | MoveState::Ended { .. } => None,
            MoveState::Asked { since } => self.asked(*since, partition, listed),
            MoveState::Copying { since, doubt } => match listed {
                Some(_) => self.copying(*since, doubt.as_ref(), partition),
                None => self.no_longer_listed(*since, doubt.as_ref(), partition),
            },
            MoveState::Electing { since } => self.electing(*since, partition),
            MoveState::Reverting { since, seen, outcome } => {
                self.reverting(*since, *seen, outcome, partition, listed)
            }
        }
    }

    fn asked(&self, since: Timestamp, partition: &Partition, listed: Option<&Reassignment>) -> Option<Step> {
        if listed.is_some() {
            return Some(self.enter(MoveState::Copying {
                since: self.situation.now,
                doubt: None,
            }));
        }
        if partition.replicas == self.change().to {
            return Some(self.arrived(partition));
        }
        if partition.replicas != self.change().from {
            return self.doubt(since, None, WhyDoubt::NotListed, SETTLE, || {
                Outcome::ChangedElsewhere
            });
        }
        let give_up = if self.stops_at_once() {
            Some(Outcome::Stopped)
        } else if self.age(since) > ANSWER {
            Some(Outcome::Unanswered)
        } else {
            None
        };
        if let Some(outcome) = give_up {
            return Some(self.enter(MoveState::Reverting {
                since: self.situation.now,
                seen: false,
                outcome,
            }));
        }
        // Kafka removes replicas as soon as one that stays is in sync, and others may have fallen behind since it was asked.
        let may_send = !self.change().is_removal() || may_remove(self.change(), partition, self.situation);
        may_send.then(|| self.reassign(&self.change().to))
    }

    fn copying(&self, since: Timestamp, doubt: Option<&Doubt>, partition: &Partition) -> Option<Step> {
        let guidance = self.situation.guidance;
        let behind = || {
            let adding = self.change().adding();
            adding.filter(|broker| !partition.in_sync.contains(broker))
        };
        let full = behind().find(|broker| {
            guidance
                .usable_bytes
                .get(broker)
                .is_some_and(|usable| *usable < self.situation.limits.disk_reserve)
        });
        if self.stops_at_once() {
            return self.revert(Outcome::Stopped, partition);
        }
        if let Some(broker) = full {
            return self.revert(Outcome::DiskFull { broker }, partition);
        }
        if self.age(since) > self.situation.limits.longest_copy(self.change().bytes) {
            return self.revert(Outcome::TooSlow, partition);
        }
        match behind().find(|broker| !self.situation.seen.alive.contains(broker)) {
            Some(broker) => {
                let gone = WhyDoubt::BrokerGone(broker);
                match doubt {
                    Some(doubt) if doubt.why == gone => {
                        let grace = Duration::from_secs(self.situation.limits.broker_grace_seconds);
                        if self.age(doubt.since) < grace {
                            return None;
                        }
                        self.revert(Outcome::BrokerGone { broker }, partition)
                    }
                    _ => Some(self.enter_doubt(since, gone)),
                }
            }
            None => doubt.map(|_| self.enter(MoveState::Copying { since, doubt: None })),
        }
    }

    fn no_longer_listed(
        &self,
        since: Timestamp,
        doubt: Option<&Doubt>,
        partition: &Partition,
    ) -> Option<Step> {
        if partition.replicas == self.change().to {
            return Some(self.arrived(partition));
        }
        self.doubt(since, doubt, WhyDoubt::NotListed, SETTLE, || {
            if same_brokers(&partition.replicas, &self.change().from) {
                Outcome::CancelledElsewhere
            } else {
                Outcome::ChangedElsewhere
            }
        })
    }

    fn electing(&self, since: Timestamp, partition: &Partition) -> Option<Step> {
        if partition.replicas != self.change().to {
            return (self.age(since) > SETTLE).then(|| self.end(Outcome::ChangedElsewhere));
        }
        let wanted = self.change().to.first().copied();
        if partition.leader == wanted {
            return Some(self.end(Outcome::Done));
        }
        if self.age(since) > ELECTION {
            return Some(self.end(Outcome::LeaderNotElected));
        }
        let ready = wanted.is_some_and(|broker| partition.in_sync.contains(&broker));
        ready.then(|| Step::intending(Vec::new(), Change::Elect(self.change().partition.clone())))
    }

    fn reverting(
        &self,
        since: Timestamp,
        seen: bool,
        outcome: &Outcome,
        partition: &Partition,
        listed: Option<&Reassignment>,
    ) -> Option<Step> {
        if listed.is_some() {
            let cancel = Change::Cancel(self.change().partition.clone());
            return self
                .may_cancel(partition)
                .then(|| Step::intending(Vec::new(), cancel));
        }
        if partition.replicas == self.change().to {
            return Some(self.arrived(partition));
        }
        if partition.replicas == self.change().from {
            let quiet = seen || self.age(since) > SETTLE;
            return quiet.then(|| self.end(outcome.clone()));
        }
        if same_brokers(&partition.replicas, &self.change().from) {
            // Kafka leaves cancelled replicas in the order of the reassignment, which changes the preferred leader.
            return Some(self.reassign(&self.change().from));
        }
        (self.age(since) > SETTLE).then(|| self.end(Outcome::ChangedElsewhere))
    }

    /// The replicas are where they are to be.
    fn arrived(&self, partition: &Partition) -> Step {
        if partition.leader == self.change().to.first().copied() {
            return self.end(Outcome::Done);
        }
        Step::intending(
            vec![self.record(MoveState::Electing {
                since: self.situation.now,
            })],
            Change::Elect(self.change().partition.clone()),
        )
    }

    fn revert(&self, outcome: Outcome, partition: &Partition) -> Option<Step> {
        self.may_cancel(partition).then(|| {
            Step::intending(
                vec![self.record(MoveState::Reverting {
                    since: self.situation.now,
                    seen: true,
                    outcome,
                })],
                Change::Cancel(self.change().partition.clone()),
            )
        })
    }

    /// Whether the replicas that stay after a cancellation keep min.insync.replicas, if there are that many now.
    fn may_cancel(&self, partition: &Partition) -> bool {
        let now = partition.in_sync.len();
        let stays = |broker: &&BrokerId| self.change().from.contains(broker);
        let staying = partition.in_sync.iter().filter(stays).count();
        let enough = |minimum| staying >= minimum || now < minimum;
        let minimum = self.situation.seen.min_in_sync(&self.change().partition.topic);
        staying == now || (staying > 0 && minimum.is_some_and(enough))
    }

    fn without_topic(&self) -> Option<Step> {
        match &self.progress.state {
            MoveState::Waiting | MoveState::Ended { .. } => None,
            MoveState::Copying { since, doubt } => {
                self.doubt(*since, doubt.as_ref(), WhyDoubt::NoTopic, SETTLE, || {
                    Outcome::TopicDeleted
                })
            }
            MoveState::Asked { since } => {
                self.doubt(*since, None, WhyDoubt::NoTopic, SETTLE, || Outcome::TopicDeleted)
            }
            MoveState::Electing { since } | MoveState::Reverting { since, .. } => {
                (self.age(*since) > SETTLE).then(|| self.end(Outcome::TopicDeleted))
            }
        }
    }

    /// Ends the move when what is doubtful has stayed so for `patience`.
    fn doubt(
        &self,
        since: Timestamp,
        doubt: Option<&Doubt>,
        why: WhyDoubt,
        patience: Duration,
        outcome: impl FnOnce() -> Outcome,
    ) -> Option<Step> {
        match doubt {
            Some(doubt) if doubt.why == why => {
                (self.age(doubt.since) > patience).then(|| self.end(outcome()))
            }
            _ => Some(self.enter_doubt(since, why)),
        }
    }

    fn enter_doubt(&self, since: Timestamp, why: WhyDoubt) -> Step {
        self.enter(MoveState::Copying {
            since,
            doubt: Some(Doubt {
                since: self.situation.now,
                why,
            }),
        })
    }

    fn reassign(&self, to: &[BrokerId]) -> Step {
        let change = Change::Reassign(self.id, self.change().partition.clone(), to.to_vec());
        Step::intending(Vec::new(), change)
    }

    fn end(&self, outcome: Outcome) -> Step {
        let mut records = Vec::new();
        if outcome == Outcome::Stopped {
            records.push(Record::CoolDown(self.change().partition.clone(), None));
        }
        records.push(self.record(MoveState::Ended {
            at: self.situation.now,
            outcome,
        }));
        Step::note(records)
    }

    fn enter(&self, state: MoveState) -> Step {
        Step::note(vec![self.record(state)])
    }

    fn record(&self, state: MoveState) -> Record {
        Record::Move(self.id.plan, self.id.place, Some(self.progress.entering(state)))
    }

    fn stops_at_once(&self) -> bool {
        self.phase == Phase::Stopping(StopHow::AtOnce) && !self.change().is_leadership_only()
    }

    fn change(&self) -> &Move {
        &self.progress.change
    }

    fn age(&self, since: Timestamp) -> Duration {
        self.situation.now.since(since)
    }
}

fn same_brokers(a: &[BrokerId], b: &[BrokerId]) -> bool {
    a.len() == b.len() && a.iter().all(|broker| b.contains(broker))
}
