//! Samples of a simulated cluster, as readers see them.

use kafka::cluster::{NewTopic, Placement};
use kafka::connection::ConnectionSettings;
use kafka::simulated::{Fault, Operation, Refusal, SimulatedBroker, SimulatedCluster};
use tokio::time::advance;

use super::*;
use crate::exposition::{Encoding, Format};
use crate::server::Served;

/// A coordinator, or a leader, that is not ready yet.
const LOADING: Refusal = Refusal {
    code: "COORDINATOR_LOAD_IN_PROGRESS",
    retriable: true,
};

/// Two groups that consume one partition: `billing` keeps up, `audit` does not get on.
struct Scene {
    cluster: SimulatedCluster,
    sampler: Sampler<SimulatedCluster>,
    view: OffsetsView,
}

impl Scene {
    async fn set() -> Self {
        let broker = 7.into();
        let cluster = SimulatedCluster::new([SimulatedBroker::new(broker)]);
        let topic = NewTopic {
            name: "orders".parse().unwrap(),
            placement: Placement::Manual(vec![vec![broker]]),
            configs: BTreeMap::new(),
        };
        cluster.create_topics(&[topic]).await.unwrap();
        let partition = TopicPartition::new("orders".parse().unwrap(), 0.into());
        cluster.produce_at(&partition, 1e6).unwrap();
        for (group, rate) in [("billing", 1e9), ("audit", 1e-3)] {
            let group = group.parse().unwrap();
            cluster.consume_at(&group, &partition, 0, rate).unwrap();
        }
        let config = OffsetsConfig::new(ConnectionSettings::plaintext(Vec::new()));
        let clock = Clock::start_simulated();
        let (publish, snapshots) = watch::channel(Arc::default());
        let view = OffsetsView::new(&config, clock, snapshots);
        let probes = Arc::new(Probes::new(clock, config.interval, Duration::ZERO));
        let sampler = Sampler::new(config, clock, cluster.clone(), probes, publish);
        Self {
            cluster,
            sampler,
            view,
        }
    }

    async fn sample(&mut self, times: usize) {
        for _ in 0..times {
            advance(self.sampler.config.interval).await;
            self.sampler.sample().await;
        }
    }

    /// Lets each thing that is asked in such a request be refused.
    fn refuse(&self, refused: Operation) {
        let fault = Fault::EachRefused(LOADING);
        let meets = move |operation| (operation == refused).then_some(fault);
        self.cluster.inject(meets);
    }

    /// The value of a series, named as the answer has it; none where it is not there.
    fn value(&self, series: &str) -> Option<f64> {
        let text = self.view.metrics(Format::Prometheus, Encoding::Identity).concat();
        let text = String::from_utf8(text).unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map(|value| value.parse().unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn groups_that_no_coordinator_lists_are_unread_and_forgotten_after_ten_minutes() {
    let mut scene = Scene::set().await;
    scene.sample(3).await;
    let unread = "kafka_sidecar_groups_unread";
    let members = "kafka_consumergroup_members{consumergroup=\"audit\"}";
    assert_eq!(
        (scene.value(unread), scene.value(members)),
        (Some(0.0), Some(1.0))
    );

    scene.refuse(Operation::Groups);
    scene.sample(1).await;
    assert_eq!(
        (scene.value(unread), scene.value(members)),
        (Some(2.0), Some(1.0))
    );
    let report = scene.view.report().unwrap();
    let reasons: Vec<_> = report.failed_groups.values().collect();
    assert!(
        reasons.iter().all(|reason| reason.contains(LOADING.code)),
        "{reasons:?}"
    );

    scene.sample(120).await;
    assert_eq!((scene.value(unread), scene.value(members)), (Some(0.0), None));
}

#[tokio::test(start_paused = true)]
async fn a_partition_whose_leader_does_not_tell_its_end_makes_no_group_well() {
    let mut scene = Scene::set().await;
    scene.sample(15).await;
    let status = "kafka_consumergroup_status{consumergroup=\"audit\",status=\"STALL\"}";
    let lag = "kafka_consumergroup_lag_sum{consumergroup=\"audit\",topic=\"orders\"}";
    let late = "kafka_consumergroup_max_lag_seconds{consumergroup=\"audit\"}";
    let up = "kafka_sidecar_source_up{source=\"protocol\"}";
    let before = scene.value(lag);
    assert!(before > Some(0.0));
    let lateness = scene.value(late);
    assert_eq!((scene.value(status), scene.value(up)), (Some(1.0), Some(1.0)));

    scene.refuse(Operation::Offsets);
    scene.sample(15).await;
    assert_eq!((scene.value(status), scene.value(up)), (Some(1.0), Some(0.0)));
    assert_eq!(scene.value(lag), before);
    assert!(scene.value(late) > lateness);

    scene.cluster.inject_nothing();
    scene.sample(1).await;
    assert_eq!((scene.value(status), scene.value(up)), (Some(1.0), Some(1.0)));
    assert!(scene.value(lag) > before);
}
