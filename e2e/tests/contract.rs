//! The contract of clusters and logs, proven of a real Kafka.

use std::error::Error;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use e2e::contract::{self, Proof};
use e2e::{BrokerSpec, Layout, LocalKafka, stack};
use kafka::client::{CompactedLogSettings, KafkaCluster, KafkaCompactedLog};
use kafka::compacted_log::{CompactedLog, Entry, LogError, LogWriter};
use kafka::connection::ConnectionSettings;
use kafka::{Cluster, TopicName};
use tokio::task::JoinHandle;

/// Sentences that are being proven at the same time, so that one cluster does for all.
#[derive(Default)]
struct Proofs(Vec<(&'static str, JoinHandle<Proof>)>);

impl Proofs {
    fn begin(&mut self, sentence: &'static str, proof: impl Future<Output = Proof> + 'static) {
        self.0.push((sentence, tokio::task::spawn_local(proof)));
    }

    /// Waits for all, and names those that do not hold.
    async fn conclude(self) -> Result<(), String> {
        let mut broken = Vec::new();
        for (sentence, proof) in self.0 {
            match proof.await {
                Ok(Ok(())) => {}
                Ok(Err(unproven)) => broken.push(format!("{sentence}: {unproven}")),
                Err(panicked) => broken.push(format!("{sentence}: {panicked}")),
            }
        }
        match broken.is_empty() {
            true => Ok(()),
            false => Err(broken.join("\n")),
        }
    }
}

/// Begins the proof of each sentence about a cluster.
macro_rules! prove {
    ($proofs:ident, $cluster:ident: $($sentence:ident),* $(,)?) => {$(
        let cluster = Rc::clone(&$cluster);
        $proofs.begin(stringify!($sentence), async move { contract::$sentence(&*cluster).await });
    )*};
}

#[tokio::test(flavor = "local")]
async fn a_real_kafka_keeps_the_contract() -> Result<(), Box<dyn Error>> {
    let layout = Layout {
        brokers: ["r0", "r1", "r2", "r0"].map(BrokerSpec::in_rack).into(),
        jolokia: false,
        ..Layout::default()
    };
    let kafka = LocalKafka::start(layout).await?;
    let settings = stack::connection(&kafka)?;
    let cluster = Rc::new(KafkaCluster::new(settings.clone()));
    let mut proofs = Proofs::default();
    prove!(proofs, cluster:
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
    let log = |name: &str| -> Result<_, kafka::ids::InvalidId> { Ok(journal(&settings, name.parse()?, 3)) };
    let (keys, fencing, large) = (
        log("contract-keys")?,
        log("contract-fencing")?,
        log("contract-large")?,
    );
    let wide: TopicName = "contract-wide".parse()?;
    let (at, waiting) = (Rc::clone(&cluster), journal(&settings, wide.clone(), 5));
    proofs.begin("a_log_waits_for_brokers_that_may_be_coming", async move {
        a_log_waits_for_brokers_that_may_be_coming(&waiting, &wide, &at).await
    });
    proofs.begin("the_last_record_of_a_key_counts", async move {
        contract::the_last_record_of_a_key_counts(&keys).await
    });
    proofs.begin("opening_a_log_fences_the_writer_before", async move {
        contract::opening_a_log_fences_the_writer_before(&fencing).await
    });
    proofs.begin("a_log_that_is_too_large_is_not_read", async move {
        contract::a_log_that_is_too_large_is_not_read(&large).await
    });
    proofs.conclude().await?;

    // Alone, since it throttles two brokers.
    let fill = async |topic| megabytes(journal(&settings, topic, 3)).await;
    contract::cancelling_takes_a_reassignment_back(&*cluster, fill)
        .await
        .map_err(|error| error.to_string())?;
    Ok(())
}

/// It is refused at first, and made with a replica for each broker when no more have come.
async fn a_log_waits_for_brokers_that_may_be_coming(
    log: &KafkaCompactedLog,
    topic: &TopicName,
    cluster: &KafkaCluster,
) -> Proof {
    match log.open().await {
        Err(LogError::Unavailable(error)) if error.to_string().contains("4 brokers are alive") => {}
        Err(error) => return Err(error.into()),
        Ok(_) => return Err("it was made before a fifth broker could have come".into()),
    }
    while log.open().await.is_err() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let topics = cluster.describe().await?.topics;
    let made = topics.iter().find(|found| found.name == *topic);
    match made.map(|made| made.partitions[0].replicas.len()) {
        Some(4) => Ok(()),
        other => Err(format!("it has {other:?} replicas").into()),
    }
}

fn journal(connection: &ConnectionSettings, topic: TopicName, replication_factor: u16) -> KafkaCompactedLog {
    let settings = CompactedLogSettings {
        transactional_id: topic.to_string(),
        topic,
        replication_factor,
        max_live_bytes: 3_999,
    };
    KafkaCompactedLog::new(connection.clone(), settings)
}

async fn megabytes(log: KafkaCompactedLog) -> Proof {
    let (mut writer, _) = log.open().await?;
    for key in 0..16 {
        let entry = Entry {
            key: key.to_string(),
            value: Some(vec![b'x'; 500_000]),
        };
        writer.append(vec![entry]).await?;
    }
    Ok(())
}
