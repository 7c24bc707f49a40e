//! The whole loop against a simulated cluster without sidecars, under paused time.

mod replication;
mod steering;

use std::sync::Arc;
use std::time::Duration;

use kafka::Cluster;
use kafka::cluster::{NewTopic, Placement};
use kafka::ids::{BrokerId, TopicName, TopicPartition};
use kafka::simulated::{SimulatedBroker, SimulatedCluster, SimulatedLog};
use sidecar::clock::Clock;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::balancer::Balancer;
use crate::action::{Action, ActionError, Command};
use crate::api::view::{Phase, PlanStanding, View};
use crate::config::Config;
use crate::journal::Mode;
use crate::observe::Observer;

const PARTITIONS: i32 = 24;
/// What each partition takes while nothing is hot, in bytes per second.
const CALM: f64 = 150e3;

struct Stage {
    cluster: SimulatedCluster,
    log: SimulatedLog,
    view: watch::Receiver<Arc<View>>,
    commands: mpsc::Sender<Command>,
    certificate: watch::Sender<Option<String>>,
    stop: CancellationToken,
}

fn id(broker: i32) -> BrokerId {
    broker.try_into().unwrap()
}

fn orders(number: i32) -> TopicPartition {
    TopicPartition::new("orders".parse().unwrap(), number.try_into().unwrap())
}

fn config(mode: &str) -> Config {
    let text = format!(
        "{{kafka: {{bootstrap: ['localhost:9092']}}, mode: {mode}, \
          capacity: {{bytes_in: 10 MB/s, bytes_out: 10 MB/s}}, heat: {{floor: {{disk: 1.0}}}}}}"
    );
    kafka::settings::parse(&text, "test").unwrap()
}

/// Four brokers and one topic whose partitions are spread evenly, each with three replicas.
async fn cluster() -> SimulatedCluster {
    let cluster = SimulatedCluster::new((0..4).map(|broker| SimulatedBroker::new(id(broker))));
    create_orders(&cluster).await;
    for number in 0..PARTITIONS {
        cluster.produce_at(&orders(number), CALM).unwrap();
    }
    cluster
}

async fn create_orders(cluster: &SimulatedCluster) {
    let replicas = |number: i32| (0..3).map(|place| id((number + place) % 4)).collect();
    let topic = NewTopic {
        name: "orders".parse().unwrap(),
        placement: Placement::Manual((0..PARTITIONS).map(replicas).collect()),
        configs: [("min.insync.replicas".to_owned(), "2".to_owned())].into(),
    };
    for created in cluster.create_topics(&[topic]).await.unwrap().into_values() {
        created.unwrap();
    }
}

impl Stage {
    async fn new(mode: &str) -> Self {
        let stage = Self::with(cluster().await, SimulatedLog::default(), mode);
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert!(stage.view().hot.brokers.is_empty(), "{:?}", stage.view().hot);
        stage
    }

    fn with(cluster: SimulatedCluster, log: SimulatedLog, mode: &str) -> Self {
        let (publish, view) = watch::channel(Arc::new(View::default()));
        let (commands, actions) = mpsc::channel(4);
        let stop = CancellationToken::new();
        let clock = Clock::start_simulated();
        let config = config(mode);
        let observer = Observer::new(cluster.clone(), &config).unwrap();
        let (certificate, trouble) = watch::channel(None);
        let balancer = Balancer::new(&config, cluster.clone(), observer, log.clone(), publish, clock)
            .telling(Some(trouble));
        tokio::spawn(balancer.run(actions, stop.clone()));
        Self {
            cluster,
            log,
            view,
            commands,
            certificate,
            stop,
        }
    }

    fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.borrow())
    }

    /// Makes what broker 0 leads so busy that it sends far more than its share.
    fn heat_up(&self) {
        self.produce_to_broker_0(0.9e6);
    }

    fn cool_down(&self) {
        self.produce_to_broker_0(CALM);
    }

    fn produce_to_broker_0(&self, bytes_per_second: f64) {
        for number in [0, 4] {
            self.cluster
                .produce_at(&orders(number), bytes_per_second)
                .unwrap();
        }
    }

    async fn until(&mut self, what: &str, mut holds: impl FnMut(&View) -> bool) -> Arc<View> {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(300);
        while !holds(&self.view()) {
            let changed = tokio::time::timeout_at(deadline, self.view.changed()).await;
            assert!(changed.is_ok(), "never {what}: {:#?}", self.view());
        }
        self.view()
    }

    async fn act(&self, action: Action) -> Result<String, ActionError> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(Command { action, answer }).await.unwrap();
        answered.await.unwrap()
    }

    async fn leaders(&self) -> Vec<Option<BrokerId>> {
        let description = self.cluster.describe().await.unwrap();
        let name: TopicName = "orders".parse().unwrap();
        let topic = description
            .topics
            .iter()
            .find(|topic| topic.name == name)
            .unwrap();
        topic
            .partitions
            .iter()
            .map(|partition| partition.leader)
            .collect()
    }
}

#[tokio::test(start_paused = true)]
async fn in_auto_a_hot_broker_is_named_within_15_seconds_and_cooled() {
    let mut stage = Stage::new("auto").await;
    let before = tokio::time::Instant::now();
    stage.heat_up();
    let hot = stage
        .until("hot", |view| !view.hot.brokers.is_empty() || view.plan.is_some())
        .await;
    assert!(
        before.elapsed() <= Duration::from_secs(15),
        "after {:?}",
        before.elapsed()
    );
    assert!(!hot.hot.partitions.is_empty(), "{:?}", hot.hot);
    let planned = hot.plan.is_some() || !hot.history.is_empty();
    assert!(planned, "a plan is made in the tick in which the heat is named");
    tokio::time::sleep(Duration::from_secs(120)).await;
    let cool = stage.view();
    assert!(cool.hot.brokers.is_empty() && cool.plan.is_none(), "{cool:#?}");
    assert!(
        cool.state.imbalance.bytes_in <= 1.10,
        "{:?}",
        cool.state.imbalance
    );
    assert!(
        cool.state.imbalance.bytes_out <= 1.10,
        "{:?}",
        cool.state.imbalance
    );
    assert!(stage.cluster.reassignments().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn in_observe_a_plan_is_only_suggested() {
    let mut stage = Stage::new("observe").await;
    let before = stage.leaders().await;
    stage.heat_up();
    let view = stage.until("suggested", |view| view.plan.is_some()).await;
    assert_eq!(
        view.plan.as_ref().map(|plan| plan.standing),
        Some(PlanStanding::Suggested)
    );
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(stage.leaders().await, before);
}

#[tokio::test(start_paused = true)]
async fn in_approve_nothing_happens_before_somebody_says_yes() {
    let mut stage = Stage::new("approve").await;
    let before = stage.leaders().await;
    stage.heat_up();
    stage
        .until("waiting", |view| view.state.phase == Phase::Waiting)
        .await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(stage.leaders().await, before);
    let plan = stage.view().plan.as_ref().and_then(|plan| plan.id).unwrap();
    assert!(
        stage
            .act(Action::Approve {
                plan: plan + 7,
                moves: None
            })
            .await
            .is_err()
    );
    stage.act(Action::Approve { plan, moves: None }).await.unwrap();
    stage
        .until("executed", |view| {
            view.history.iter().any(|ended| ended.id == plan)
        })
        .await;
    assert_ne!(stage.leaders().await, before);
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_waits_for_approval_is_over_in_observe_and_runs_in_auto() {
    let mut stage = Stage::new("approve").await;
    let before = stage.leaders().await;
    stage.heat_up();
    let waits = |view: &View| view.state.phase == Phase::Waiting;
    stage.until("waiting", waits).await;
    stage.act(Action::Mode(Mode::Observe)).await.unwrap();
    stage
        .until("watching", |view| view.state.phase == Phase::Watching)
        .await;
    stage.act(Action::Mode(Mode::Approve)).await.unwrap();
    stage.until("waiting again", waits).await;
    assert_eq!(stage.leaders().await, before);
    stage.act(Action::Mode(Mode::Auto)).await.unwrap();
    stage
        .until("executed", |view| {
            view.history.iter().any(|ended| ended.leadership_changes > 0)
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_waits_for_nothing_any_more_is_withdrawn() {
    let mut stage = Stage::new("approve").await;
    stage.heat_up();
    stage
        .until("waiting", |view| view.state.phase == Phase::Waiting)
        .await;
    stage.cool_down();
    stage
        .until("watching", |view| view.state.phase == Phase::Watching)
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_drained_broker_ends_without_replicas_and_is_filled_again_when_undrained() {
    let mut stage = Stage::new("auto").await;
    assert!(matches!(
        stage.act(Action::Drain { brokers: vec![id(9)] }).await,
        Err(ActionError::UnknownBroker(_))
    ));
    stage.act(Action::Drain { brokers: vec![id(3)] }).await.unwrap();
    let replicas = |view: &View| {
        view.brokers
            .iter()
            .find(|broker| broker.id == id(3))
            .map(|broker| broker.replicas)
    };
    stage
        .until("drained", |view| {
            replicas(view) == Some(0) && view.state.phase == Phase::Watching
        })
        .await;
    stage.act(Action::Undrain { brokers: vec![id(3)] }).await.unwrap();
    stage
        .until("filled", |view| {
            replicas(view) > Some(0) && view.state.phase == Phase::Watching
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_second_balancer_fences_the_first_which_then_only_watches() {
    let mut first = Stage::new("auto").await;
    let mut second = Stage::with(first.cluster.clone(), first.log.clone(), "auto");
    second
        .until("watching", |view| view.state.phase == Phase::Watching)
        .await;
    first.heat_up();
    first
        .until("fenced", |view| view.state.phase == Phase::Fenced)
        .await;
    second
        .until("cooled", |view| {
            view.history.iter().any(|plan| plan.leadership_changes > 0)
        })
        .await;
    assert!(matches!(
        first.act(Action::Rebalance).await,
        Err(ActionError::Fenced)
    ));
}

#[tokio::test(start_paused = true)]
async fn a_mode_that_somebody_chose_outlives_the_balancer() {
    let stage = Stage::new("auto").await;
    stage
        .act(Action::Mode(crate::journal::Mode::Observe))
        .await
        .unwrap();
    stage.stop.cancel();
    let mut next = Stage::with(stage.cluster.clone(), stage.log.clone(), "auto");
    let view = next
        .until("watching", |view| view.state.phase == Phase::Watching)
        .await;
    assert_eq!(view.state.mode, crate::journal::Mode::Observe);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_is_restarted_is_not_emptied_and_one_that_stays_away_is() {
    let mut stage = Stage::new("auto").await;
    stage.cluster.stop_broker(id(3));
    tokio::time::sleep(Duration::from_secs(120)).await;
    // Of its 18 replicas a few may go for the sake of balance.
    let replicas = |view: &View| {
        view.brokers
            .iter()
            .find(|broker| broker.id == id(3))
            .map(|broker| broker.replicas)
    };
    assert!(replicas(&stage.view()) > Some(12), "{:?}", stage.view().history);
    stage.cluster.start_broker(id(3));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(replicas(&stage.view()) > Some(12), "{:?}", stage.view().history);

    stage.cluster.stop_broker(id(3));
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert!(replicas(&stage.view()) > Some(12), "{:?}", stage.view().history);
    stage
        .until("being emptied", |view| replicas(view) < Some(9))
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_cannot_be_used_is_a_problem_for_as_long() {
    let mut stage = Stage::new("observe").await;
    let is_told = |view: &View| {
        view.state
            .problems
            .iter()
            .any(|problem| problem.contains("goes on with its last certificate"))
    };
    stage.certificate.send_replace(Some("half a key".to_owned()));
    stage.until("told", is_told).await;
    stage.certificate.send_replace(None);
    stage.until("over", |view| !is_told(view)).await;
}
