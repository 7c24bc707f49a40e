//! The contract of clusters and logs, proven of the simulated ones.

use e2e::contract::{self, Proof};
use kafka::simulated::{SimulatedBroker, SimulatedCluster, SimulatedLog};
use kafka::{BrokerId, TopicPartition};

macro_rules! prove {
    ($cluster:ident: $($sentence:ident),* $(,)?) => {$(
        contract::$sentence(&$cluster)
            .await
            .map_err(|unproven| format!("{}: {unproven}", stringify!($sentence)))?;
    )*};
}

#[tokio::test(start_paused = true)]
async fn a_simulated_cluster_keeps_the_contract() -> Proof {
    let brokers = (0..4).map(|id| BrokerId::try_from(id).map(SimulatedBroker::new));
    let cluster = SimulatedCluster::new(brokers.collect::<Result<Vec<_>, _>>()?);
    prove!(cluster:
        a_topic_is_described_where_it_was_placed,
        kafka_places_each_replica_on_another_broker,
        a_topic_that_cannot_be_is_refused_by_name,
        a_reassignment_ends_with_exactly_the_target,
        another_order_of_replicas_changes_the_leader_by_election_only,
        without_a_reassignment_there_is_nothing_to_cancel,
        one_bad_target_does_not_spoil_the_others,
        what_does_not_exist_is_said_to_be_unknown,
        a_topics_own_configuration_is_told_from_what_it_inherits,
        a_brokers_throttle_is_its_own_until_it_is_deleted,
        partitions_are_added_and_never_taken_away,
        a_topic_made_again_is_another_one,
        an_empty_partition_begins_and_ends_at_offset_zero,
        each_broker_lists_its_own_replicas,
        an_absent_group_has_committed_nothing,
    );
    let fill = async |topic| {
        let partition = TopicPartition::new(topic, 0.try_into()?);
        Ok(cluster.produce(&partition, 8e6)?)
    };
    contract::cancelling_takes_a_reassignment_back(&cluster, fill).await
}

#[tokio::test(start_paused = true)]
async fn a_simulated_log_keeps_the_contract() -> Proof {
    contract::the_last_record_of_a_key_counts(&SimulatedLog::default()).await?;
    contract::opening_a_log_fences_the_writer_before(&SimulatedLog::default()).await?;
    contract::a_log_that_is_too_large_is_not_read(&SimulatedLog::with_limit(3_999)).await
}
