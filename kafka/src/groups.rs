//! Groups of all kinds, and how far each is.

use crate::ids::{GroupId, PartitionId, TopicName};

/// The protocol that a group's members follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupKind {
    /// JoinGroup and SyncGroup; also what brokers before Kafka 3.8 tell nothing about, having no other kind.
    Classic,
    /// KIP-848: partitions are assigned by the coordinator.
    Consumer,
    /// KIP-932: many members read the same partition.
    Share,
    /// KIP-1071: Kafka Streams.
    Streams,
    /// One that this program does not know.
    Unknown,
}

impl GroupKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [
        Self::Classic,
        Self::Consumer,
        Self::Share,
        Self::Streams,
        Self::Unknown,
    ];

    /// Its name in ListGroups.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Consumer => "consumer",
            Self::Share => "share",
            Self::Streams => "streams",
            Self::Unknown => "unknown",
        }
    }

    /// The kind of that name, in letters of either case.
    pub fn named(name: &str) -> Self {
        let is_named = |kind: &Self| kind.as_str().eq_ignore_ascii_case(name);
        Self::ALL.into_iter().find(is_named).unwrap_or(Self::Unknown)
    }
}

/// What a group is doing, as `org.apache.kafka.common.GroupState` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupState {
    /// Classic: members are joining.
    PreparingRebalance,
    /// Classic: members wait for their assignment.
    CompletingRebalance,
    /// All members have what they shall have.
    Stable,
    /// No members; there may be commits.
    Empty,
    /// It is gone.
    Dead,
    /// The coordinator computes an assignment.
    Assigning,
    /// Members are taking over their assignment.
    Reconciling,
    /// Streams: the topics that it needs are not there.
    NotReady,
    /// One that this program does not know, or that the broker does not tell.
    Unknown,
}

impl GroupState {
    const ALL: [Self; 9] = [
        Self::PreparingRebalance,
        Self::CompletingRebalance,
        Self::Stable,
        Self::Empty,
        Self::Dead,
        Self::Assigning,
        Self::Reconciling,
        Self::NotReady,
        Self::Unknown,
    ];

    /// Kafka's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Empty => "Empty",
            Self::Dead => "Dead",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
            Self::NotReady => "NotReady",
            Self::Unknown => "Unknown",
        }
    }

    /// The state of that name, in letters of either case.
    pub fn named(name: &str) -> Self {
        let is_named = |state: &Self| state.as_str().eq_ignore_ascii_case(name);
        Self::ALL.into_iter().find(is_named).unwrap_or(Self::Unknown)
    }

    /// Whether somebody may be consuming. Where the broker does not tell, nobody is known to.
    pub fn has_members(self) -> bool {
        !matches!(self, Self::Empty | Self::Dead | Self::Unknown)
    }
}

/// A group as its coordinator lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    /// Its id.
    pub id: GroupId,
    /// Its kind (ListGroups 5, Kafka 3.8).
    pub kind: GroupKind,
    /// Its state (ListGroups 4, Kafka 2.6).
    pub state: GroupState,
}

/// A group as its coordinator describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupDescription {
    /// Its state.
    pub state: GroupState,
    /// How many members it has.
    pub members: u32,
}

/// How far a group is in a topic's partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPositions {
    /// The topic.
    pub topic: TopicName,
    /// A position in each partition that it has one in.
    pub positions: Vec<Position>,
}

/// How far a group is in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The partition's number.
    pub partition: PartitionId,
    /// The committed offset; of a share group the first offset that it may still deliver.
    pub offset: i64,
    /// Records that it has not taken yet, where the coordinator tells (share groups, KIP-1226); otherwise all from
    /// `offset` to the partition's end.
    pub lag: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_strange_ones_are_unknown() {
        for kind in GroupKind::ALL {
            assert_eq!(GroupKind::named(&kind.as_str().to_uppercase()), kind);
        }
        for state in GroupState::ALL {
            assert_eq!(GroupState::named(state.as_str()), state);
        }
        assert_eq!(GroupKind::named("swarm"), GroupKind::Unknown);
        assert_eq!(GroupState::named(""), GroupState::Unknown);
    }

    #[test]
    fn only_states_with_members_may_commit() {
        let with: Vec<_> = GroupState::ALL.into_iter().filter(|s| s.has_members()).collect();
        assert_eq!(with.len(), 6);
        assert!(!with.contains(&GroupState::Empty) && with.contains(&GroupState::Stable));
    }
}
