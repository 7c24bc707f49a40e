//! Plans that a test writes itself, so that it knows what will be moved.

use std::time::{SystemTime, UNIX_EPOCH};

use balancer::execute::{Executor, Limits};
use balancer::journal::{Mode, PlanId, Timestamp};
use balancer::plan::{Imbalance, Move, Plan, Purpose};
use kafka::Cluster;
use kafka::client::{CompactedLogSettings, KafkaCluster, KafkaCompactedLog};

use super::{Outcome, Scene, ids, journal_of, partition_of};
use crate::stack;

const MOST_JOURNAL_BYTES: usize = 10_000_000;

impl Scene {
    /// Writes a plan into the journal, as a balancer would that dies before it makes the first change. The next one
    /// makes it, whatever the load, since a broker is to be emptied by it.
    ///
    /// A balancer that runs is fenced by this.
    ///
    /// # Errors
    ///
    /// The journal cannot be written, or another plan is in it.
    pub async fn write_plan(&self, moves: Vec<Move>) -> Outcome<PlanId> {
        Ok(self.executor().await?.start(plan(moves)?, now()?).await?)
    }

    /// The same, but the plan is paused, so that the next balancer makes it when it is told to resume.
    ///
    /// # Errors
    ///
    /// As [`Scene::write_plan`].
    pub async fn write_paused_plan(&self, moves: Vec<Move>) -> Outcome<PlanId> {
        let mut executor = self.executor().await?;
        executor.start(plan(moves)?, now()?).await?;
        Ok(executor.pause(now()?).await?)
    }

    async fn executor(&self) -> Outcome<Executor<KafkaCluster, KafkaCompactedLog>> {
        let connection = stack::connection(&self.kafka)?;
        let log = KafkaCompactedLog::new(
            connection.clone(),
            CompactedLogSettings {
                topic: journal_of(self.name).parse()?,
                transactional_id: self.name.to_owned(),
                replication_factor: 3,
                max_live_bytes: MOST_JOURNAL_BYTES,
            },
        );
        let cluster = KafkaCluster::new(connection);
        Ok(Executor::open(cluster, &log, Limits::default(), Mode::Auto, now()?).await?)
    }

    /// A move of a partition from where it is to these brokers, the leader first; `bytes` is what the plan believes
    /// that it copies.
    ///
    /// # Errors
    ///
    /// There is no such partition or broker.
    pub async fn a_move(&self, topic: &str, partition: i32, to: &[i32], bytes: u64) -> Outcome<Move> {
        let topics = self.cluster.describe().await?.topics;
        let described = topics.into_iter().find(|found| found.name.as_str() == topic);
        let described = described.ok_or_else(|| format!("{topic} is not there"))?;
        let found = described
            .partitions
            .into_iter()
            .find(|found| found.id.get() == partition)
            .ok_or_else(|| format!("{topic}-{partition} is not there"))?;
        Ok(Move {
            partition: partition_of(topic, partition)?,
            topic_id: described.id,
            from: found.replicas,
            from_leader: found.leader,
            to: ids(to)?,
            reason: "the test wants it".to_owned(),
            bytes,
            gain: 0.5,
            expected_seconds: 1.0,
        })
    }
}

/// A plan of these moves, to empty the first one's leader.
///
/// # Errors
///
/// There is no move.
pub fn plan(moves: Vec<Move>) -> Outcome<Plan> {
    let even = Imbalance {
        bytes_in: 1.0,
        bytes_out: 1.0,
        cpu: 1.0,
        disk: 1.0,
    };
    let first = moves.first().and_then(|change| change.from.first().copied());
    Ok(Plan {
        purpose: Purpose::Drain(vec![first.ok_or("a plan needs a move")?]),
        bytes: moves.iter().map(|change| change.bytes).sum(),
        bytes_lower_bound: 0,
        copy_rate: 50e6,
        copy_seconds: 0.0,
        moves,
        imbalance_before: even,
        imbalance_after: even,
        imbalance_lower_bound: even,
        left_out: Vec::new(),
        unsolved: Vec::new(),
    })
}

/// The time, as the journal has it.
///
/// # Errors
///
/// It is before 1970.
pub fn now() -> Outcome<Timestamp> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(Timestamp(u64::try_from(since.as_millis())?))
}
