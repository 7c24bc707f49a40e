//! x
#![allow(missing_docs)]
use e2e::contract::{self, Proof};
use kafka::client::{CompactedLogSettings, KafkaCluster, KafkaCompactedLog};
use kafka::compacted_log::{Entry, LogWriter};
use kafka::connection::ConnectionSettings;
use kafka::{CompactedLog, TopicName};

fn settings() -> ConnectionSettings {
    let b = std::env::var("KAFKA_BOOTSTRAP").unwrap();
    ConnectionSettings::plaintext(b.split(',').map(|a| a.parse().unwrap()).collect())
}
fn log(topic: &TopicName, max: usize) -> KafkaCompactedLog {
    KafkaCompactedLog::new(
        settings(),
        CompactedLogSettings {
            topic: topic.clone(),
            transactional_id: topic.to_string(),
            replication_factor: 3,
            max_live_bytes: max,
        },
    )
}
macro_rules! cluster { ($($f:ident),*) => {$( #[tokio::test] async fn $f() -> Proof { let t=std::time::Instant::now(); let r = contract::$f(&KafkaCluster::new(settings())).await; println!("{} {:?}", stringify!($f), t.elapsed()); r } )*} }
cluster!(
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
    an_absent_group_has_committed_nothing
);
async fn fill(topic: TopicName) -> Proof {
    let (mut w, _) = log(&topic, 1).open().await?;
    for i in 0..16 {
        w.append(vec![Entry {
            key: i.to_string(),
            value: Some(vec![b'x'; 500_000]),
        }])
        .await?;
    }
    Ok(())
}
#[tokio::test]
async fn cancel() -> Proof {
    contract::cancelling_takes_a_reassignment_back(&KafkaCluster::new(settings()), fill).await
}
macro_rules! logs { ($($f:ident),*) => {$( #[tokio::test] async fn $f() -> Proof { let t=std::time::Instant::now(); let r = contract::$f(&log(&format!("{}-{}", &stringify!($f)[..20], std::process::id()).parse().unwrap(), 3999)).await;  println!("{} {:?}", stringify!($f), t.elapsed()); r } )*} }
logs!(
    the_last_record_of_a_key_counts,
    opening_a_log_fences_the_writer_before,
    a_log_that_is_too_large_is_not_read
);
