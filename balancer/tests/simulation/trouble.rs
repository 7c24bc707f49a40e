//! What can go wrong, and the choice of what does.

use clap::ValueEnum;
use rand::{Rng, RngExt};

/// Kinds of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub(crate) enum Trouble {
    /// SIGKILL between two requests, or before or after one takes effect; another balancer starts.
    Kill,
    /// A balancer stops for a while, as by SIGSTOP or a long pause of its machine, and another one takes over.
    Pause,
    /// A second balancer starts beside the first.
    Second,
    /// A request is lost.
    Lost,
    /// An answer is lost.
    AnswerLost,
    /// An answer is late.
    Late,
    /// A broker refuses a request, with some error.
    Refused,
    /// A broker refuses everything that a request names, with some error.
    EachRefused,
    /// A broker answers with old metadata.
    Stale,
    /// All requests of one balancer are lost for a while.
    Cut,
    /// The controller changes, and refuses all changes for a while.
    Controller,
    /// Requests to the journal are lost, or their answers.
    Journal,
    /// The journal is lost altogether.
    Wiped,
    /// Records of the journal become unreadable.
    Corrupt,
    /// A broker dies, and comes back later.
    BrokerDies,
    /// A broker gets slow.
    BrokerSlow,
    /// A disk fills.
    DiskFills,
    /// A topic is deleted.
    TopicDeleted,
    /// A topic gets more partitions.
    TopicGrows,
    /// A topic is made again under the same name.
    TopicRecreated,
    /// The load shifts.
    LoadShifts,
    /// Sidecars do not answer.
    ReportsMissing,
    /// Sidecars answer with old samples.
    ReportsStale,
    /// Sidecars answer with wrong figures.
    ReportsLie,
    /// Somebody else reassigns.
    OthersReassign,
    /// Somebody else throttles.
    OthersThrottle,
    /// Somebody else takes their throttles away.
    OthersUnthrottle,
    /// Somebody stops the balancer, gently or at once, and lets it act again later.
    Stop,
    /// Somebody drains a broker, or lets it take load again.
    Drain,
    /// Somebody asks for a better balance.
    Rebalance,
    /// Somebody orders more or fewer replicas of a topic, or takes that back.
    Replicate,
}

impl Trouble {
    /// All of them.
    pub(crate) const ALL: [Self; 31] = [
        Self::Kill,
        Self::Pause,
        Self::Second,
        Self::Lost,
        Self::AnswerLost,
        Self::Late,
        Self::Refused,
        Self::EachRefused,
        Self::Stale,
        Self::Cut,
        Self::Controller,
        Self::Journal,
        Self::Wiped,
        Self::Corrupt,
        Self::BrokerDies,
        Self::BrokerSlow,
        Self::DiskFills,
        Self::TopicDeleted,
        Self::TopicGrows,
        Self::TopicRecreated,
        Self::LoadShifts,
        Self::ReportsMissing,
        Self::ReportsStale,
        Self::ReportsLie,
        Self::OthersReassign,
        Self::OthersThrottle,
        Self::OthersUnthrottle,
        Self::Stop,
        Self::Drain,
        Self::Rebalance,
        Self::Replicate,
    ];

    /// What happens in one step, if anything; what is rare spoils most of a schedule when it comes.
    pub(crate) fn of_step(random: &mut impl Rng) -> Option<Self> {
        Some(match random.random_range(0..100) {
            0..=5 => Self::Kill,
            6..=7 => Self::Pause,
            8..=9 => Self::Second,
            10..=11 => Self::Cut,
            12..=13 => Self::Controller,
            14..=17 => Self::BrokerDies,
            18..=20 => Self::BrokerSlow,
            21 => Self::DiskFills,
            22..=23 => Self::TopicDeleted,
            24..=25 => Self::TopicGrows,
            26..=27 => Self::TopicRecreated,
            28..=39 => Self::LoadShifts,
            40..=42 => Self::ReportsMissing,
            43..=44 => Self::ReportsStale,
            45..=46 => Self::ReportsLie,
            47..=50 => Self::OthersReassign,
            51..=54 => Self::OthersThrottle,
            55..=57 => Self::OthersUnthrottle,
            58..=60 => Self::Stop,
            61..=63 => Self::Drain,
            64..=65 => Self::Rebalance,
            66 => Self::Wiped,
            67..=68 => Self::Corrupt,
            69..=72 => Self::Replicate,
            _ => return None,
        })
    }

    /// Its name, as `--only` takes it.
    pub(crate) fn name(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }
}
