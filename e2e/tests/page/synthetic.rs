//! A balancer's API without a balancer: what it shows is what a test says.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use balancer::action::Command;
use balancer::api::view::{
    BrokerView, FinishedPlan, HotBrokerView, HotList, HotPartitionView, MoveView, PartitionView, Phase,
    PlanStanding, PlanView, ResourceFigures, SourceView, State, ThrottleView, View,
};
use balancer::api::{Shared, router};
use balancer::journal::Mode;
use balancer::model::Resource;
use e2e::scene::Outcome;
use kafka::BrokerId;
use metrics_exporter_prometheus::PrometheusBuilder;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// The token of the stage's token file.
pub(crate) const TOKEN: &str = "s3cret-of-the-stage";

/// An API that serves what is published.
pub(crate) struct Stage {
    pub(crate) url: String,
    /// None once the balancer has ended.
    publish: Option<watch::Sender<Arc<View>>>,
    pub(crate) orders: mpsc::Receiver<Command>,
    server: JoinHandle<()>,
    _folder: TempDir,
}

impl Stage {
    pub(crate) async fn set(view: View) -> Outcome<Self> {
        Self::set_at("http://127.0.0.1:0", view).await
    }

    /// The same at the address of one that has ended.
    pub(crate) async fn set_at(url: &str, view: View) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let token_file = folder.path().join("token");
        std::fs::write(&token_file, format!("{TOKEN}\n"))?;
        let (publish, views) = watch::channel(Arc::new(view));
        let (commands, orders) = mpsc::channel(1);
        let metrics = PrometheusBuilder::new().build_recorder().handle();
        let shared = Shared::new(views, commands, Some(token_file), metrics);
        let listener = TcpListener::bind(url.trim_start_matches("http://")).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, router(shared)).await;
        });
        Ok(Self {
            url,
            publish: Some(publish),
            orders,
            server,
            _folder: folder,
        })
    }

    /// Shows another view.
    pub(crate) fn show(&self, view: View) {
        if let Some(publish) = &self.publish {
            publish.send_replace(Arc::new(view));
        }
    }

    /// Ends as a balancer does.
    pub(crate) fn end(&mut self) {
        self.publish = None;
        self.server.abort();
    }
}

/// The time now, in milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.unwrap_or(Duration::ZERO).as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn figures(bytes_in: f64, bytes_out: f64, cpu: f64, disk: f64) -> ResourceFigures {
    ResourceFigures {
        bytes_in,
        bytes_out,
        cpu,
        disk,
    }
}

/// A cluster of so many brokers and partitions that is evenly used.
pub(crate) fn watching(brokers: usize, partitions: usize) -> Outcome<View> {
    let mean = figures(0.28, 0.32, 0.21, 0.4);
    let above = |mean: f64| mean * 1.1;
    Ok(View {
        state: State {
            version: "0.1.0".to_owned(),
            cluster_id: "5L6g3nShT-eMCtK--X86sw".to_owned(),
            mode: Mode::Approve,
            phase: Phase::Watching,
            ticked_at_ms: now_ms(),
            tick_ms: 12,
            brokers,
            partitions,
            imbalance: figures(1.06, 1.08, 1.05, 1.03),
            mean,
            hot_above: figures(
                above(mean.bytes_in),
                above(mean.bytes_out),
                above(mean.cpu),
                above(mean.disk),
            ),
            worst_imbalance: 1.08,
            ..State::default()
        },
        brokers: (0..brokers)
            .map(|id| broker(id, mean, partitions))
            .collect::<Outcome<_>>()?,
        partitions: (0..partitions)
            .map(|row| partition(row, brokers))
            .collect::<Outcome<_>>()?,
        history: [11, 10, 9].map(finished).into(),
        ..View::default()
    })
}

fn id(broker: usize) -> Outcome<BrokerId> {
    Ok(i32::try_from(broker)?.try_into()?)
}

/// Figures that differ from broker to broker and are the same each time.
fn broker(row: usize, mean: ResourceFigures, partitions: usize) -> Outcome<BrokerView> {
    let about = |mean: f64, salt: usize| mean * (0.93 + 0.01 * ((row * 7 + salt * 5) % 15) as f64);
    let utilisation = figures(
        about(mean.bytes_in, 1),
        about(mean.bytes_out, 2),
        about(mean.cpu, 3),
        about(mean.disk, 4),
    );
    let capacity = figures(3e8, 3e8, 16.0, 4e12);
    Ok(BrokerView {
        id: id(row)?,
        rack: Some(format!("eu-west-1{}", ["a", "b", "c"][row % 3])),
        state: "alive".to_owned(),
        replicas: partitions / 100 + row % 9,
        leaders: partitions / 300 + row % 4,
        load: figures(
            utilisation.bytes_in * capacity.bytes_in,
            utilisation.bytes_out * capacity.bytes_out,
            utilisation.cpu * capacity.cpu,
            utilisation.disk * capacity.disk,
        ),
        capacity,
        utilisation,
        hot: Vec::new(),
        source: SourceView::Sidecar { age_ms: 900 },
    })
}

fn partition(row: usize, brokers: usize) -> Outcome<PartitionView> {
    let rate = 4e6 / (1.0 + row as f64 / 10.0);
    let replicas = (0..3).map(|more| id((row + more) % brokers));
    Ok(PartitionView {
        topic: format!("topic-{}", row / 100).parse()?,
        partition: i32::try_from(row % 100)?.try_into()?,
        leader: Some(id(row % brokers)?),
        replicas: replicas.collect::<Outcome<_>>()?,
        bytes_in: rate,
        bytes_out: 3.0 * rate,
        disk: rate * 600.0,
    })
}

fn finished(id: u64) -> FinishedPlan {
    let bytes = (11 - id) * 44_000_000_000;
    FinishedPlan {
        id,
        purpose: if id == 10 { "drain 3" } else { "cool" }.to_owned(),
        planned_at_ms: now_ms() - 7_300_000,
        ended_at_ms: now_ms() - 7_200_000,
        imbalance_before: figures(1.2, 1.71, 1.05, 1.1),
        imbalance_foreseen: figures(1.03, 1.05, 1.05, 1.04),
        imbalance_measured: (id < 11).then(|| figures(1.04, 1.06, 1.05, 1.03)),
        moves_done: 4,
        moves: 5,
        bytes,
        bytes_lower_bound: bytes / 10 * 9,
        leadership_changes: 2,
        replica_moves: 2,
        removals: 0,
        outcomes: [("done".to_owned(), 4), ("no_longer_helps".to_owned(), 1)].into(),
    }
}

/// The same with a partition that makes broker 2 hot.
pub(crate) fn hot(mut view: View) -> Outcome<View> {
    let hot = &mut view.brokers[2];
    hot.utilisation.bytes_out = 0.62;
    hot.load.bytes_out = 0.62 * hot.capacity.bytes_out;
    hot.hot = vec![Resource::BytesOut];
    let load = 0.58 * hot.load.bytes_out;
    view.partitions[0] = PartitionView {
        topic: "orders.eu-west-1".parse()?,
        bytes_in: load / 3.0,
        bytes_out: load,
        ..view.partitions[0].clone()
    };
    view.state.hot_brokers = 1;
    view.state.hot_partitions = 1;
    view.state.imbalance.bytes_out = 1.94;
    view.state.worst_imbalance = 1.94;
    view.hot = HotList {
        brokers: vec![HotBrokerView {
            broker: id(2)?,
            resource: Resource::BytesOut,
            utilisation: 0.62,
            mean: 0.32,
            since_ms: now_ms() - 95_000,
            cause: "hot_partition".to_owned(),
            explanation: "uses 62 % of its bytes_out, 194 % of the mean: orders.eu-west-1-0 alone is 58 % of the load"
                .to_owned(),
        }],
        partitions: vec![HotPartitionView {
            topic: "orders.eu-west-1".parse()?,
            partition: 0.try_into()?,
            leader: Some(id(2)?),
            broker: id(2)?,
            resource: Resource::BytesOut,
            load,
            cause: "skewed_keys".to_owned(),
            explanation: "takes 107.9 MB/s of bytes_out on broker 2, 58 % of what that carries: it is 8.1 times the median \
                          of its topic's partitions, so a few keys get most records"
                .to_owned(),
            verdict: "lead_elsewhere".to_owned(),
            advice: "let broker 1 lead it: that takes 71.9 MB/s off at no copy".to_owned(),
            partitions_that_would_help: None,
        }],
    };
    Ok(view)
}

/// The same with a plan that stands so, in the phase that goes with it.
pub(crate) fn planned(mut view: View, standing: PlanStanding) -> Outcome<View> {
    let (phase, mode) = match standing {
        PlanStanding::Suggested => (Phase::Watching, Mode::Observe),
        PlanStanding::Waiting => (Phase::Waiting, Mode::Approve),
        PlanStanding::Executing => (Phase::Executing, Mode::Approve),
        PlanStanding::Paused => (Phase::Paused, Mode::Approve),
        PlanStanding::Stopping => (Phase::Stopping, Mode::Observe),
    };
    view.state.phase = phase;
    view.state.mode = mode;
    let has_begun = phase != Phase::Watching && phase != Phase::Waiting;
    let states = if has_begun {
        ["done", "in_progress", "pending", "pending"]
    } else {
        ["pending"; 4]
    };
    let moves = [
        ("orders.eu-west-1", 0, [2, 1, 0], [1, 2, 0], 0),
        ("clicks", 11, [2, 0, 1], [2, 0, 3], 41_200_000_000),
        (
            "payments.authorisations.v2",
            7,
            [2, 1, 0],
            [4, 1, 0],
            28_100_000_000,
        ),
        ("sessions", 1, [2, 4, 3], [4, 2, 3], 0),
    ];
    let moves = moves
        .into_iter()
        .zip(states)
        .map(|((topic, number, from, to, bytes), state)| {
            let done = if state == "in_progress" { bytes / 3 } else { 0 };
            let ids = |ids: [usize; 3]| ids.into_iter().map(id).collect::<Outcome<Vec<_>>>();
            Ok(MoveView {
                topic: topic.parse()?,
                partition: number.try_into()?,
                from: ids(from)?,
                to: ids(to)?,
                leadership_only: bytes == 0,
                reason: "broker 2 uses 62 % of its bytes_out, 194 % of the mean".to_owned(),
                bytes,
                bytes_done: done,
                expected_seconds: bytes as f64 / 50e6,
                state: state.to_owned(),
                submitted_at_ms: None,
                ended_at_ms: (state == "done").then(now_ms),
            })
        });
    let throttled = |broker| -> Outcome<ThrottleView> {
        Ok(ThrottleView {
            broker: id(broker)?,
            leader_rate: Some(50_000_613),
            follower_rate: Some(80_000_613),
        })
    };
    view.plan = Some(PlanView {
        id: (standing != PlanStanding::Suggested).then_some(12),
        standing,
        purpose: "cool".to_owned(),
        planned_at_ms: now_ms() - 21_000,
        imbalance_before: figures(1.12, 1.94, 1.05, 1.04),
        imbalance_after: figures(1.04, 1.06, 1.05, 1.02),
        bytes: 69_300_000_000,
        bytes_lower_bound: 65_500_000_000,
        moves: moves.collect::<Outcome<_>>()?,
        unsolved: vec![
            "broker 4 stays at 1.09 times the mean in disk: what would help is excluded".to_owned(),
        ],
        throttles: if has_begun {
            vec![throttled(2)?, throttled(3)?]
        } else {
            Vec::new()
        },
    });
    Ok(view)
}
