//! Copies of topics that nobody writes to any more, and producers' latencies meanwhile.

use std::io;
use std::time::{Duration, Instant};

use balancer::config::Config;
use balancer::journal::{Mode, PlanId};
use balancer::model::PerResource;
use e2e::scene::{Outcome, Scene, ids, partition_of, say};
use kafka::Cluster;
use tokio::time::sleep;

use crate::figures::Window;

/// How long what is usual is measured, in seconds, and how often it is looked whether something is over.
const BEFORE: u64 = 40;
const LOOK: Duration = Duration::from_secs(1);

/// What the balancer has to learn, and the virtual machines of Kafka to compile, before anything is measured.
const WARM_UP: Duration = Duration::from_secs(40);

/// Topics to be copied from one broker to another, which were filled when nobody looked.
pub(crate) struct Copies {
    /// How many topics, and how large.
    pub(crate) count: usize,
    pub(crate) bytes: usize,
    /// Where they are, the leader first, and where they are to be.
    pub(crate) from: [i32; 2],
    pub(crate) to: [i32; 2],
    /// What their names begin with.
    pub(crate) name: &'static str,
}

impl Copies {
    fn topics(&self) -> impl Iterator<Item = String> {
        (0..self.count).map(|number| format!("{}-{number}", self.name))
    }

    fn total(&self) -> f64 {
        (self.count * self.bytes) as f64
    }

    /// Makes the topics and fills them.
    pub(crate) async fn prepare(&self, scene: &Scene) -> Outcome {
        for topic in self.topics() {
            scene.make_topic(&topic, &self.from).await?;
            scene.fill(&topic, self.bytes).await?;
        }
        Ok(())
    }

    /// Writes a plan that makes them when it is resumed.
    pub(crate) async fn plan(&self, scene: &Scene) -> Outcome<PlanId> {
        let mut moves = Vec::new();
        for topic in self.topics() {
            moves.push(scene.a_move(&topic, 0, &self.to, self.bytes as u64).await?);
        }
        scene.write_paused_plan(moves).await
    }

    /// Makes them at once and without any throttle.
    async fn make_at_once(&self, scene: &Scene) -> Outcome {
        let mut targets = Vec::new();
        for topic in self.topics() {
            targets.push((partition_of(&topic, 0)?, ids(&self.to)?));
        }
        for (_, begun) in scene.cluster.reassign(&targets).await? {
            begun?;
        }
        Ok(())
    }
}

/// Starts the programs, which find nothing hot, so that they make that plan only.
pub(crate) async fn balance(scene: &mut Scene, adjust: impl FnOnce(&mut Config)) -> Outcome {
    scene
        .balance(Mode::Auto, |config| {
            config.heat.threshold = 2.0;
            config.heat.floor = PerResource::splat(1.0);
            adjust(config);
        })
        .await?;
    sleep(WARM_UP).await;
    Ok(())
}

/// What disks or cables have carried so far, and how much one of them can, in bytes and bytes per second.
pub(crate) struct Meter<C> {
    pub(crate) carried: C,
    pub(crate) limit: u64,
}

impl<C: Fn() -> io::Result<Vec<u64>>> Meter<C> {
    /// Producers' latencies when nothing is copied.
    pub(crate) async fn before(&self, scene: &Scene) -> Outcome<Window> {
        let mut looks = 0;
        self.measure(scene, 0.0, async || {
            looks += 1;
            Ok(looks > BEFORE)
        })
        .await
    }

    /// Lets the balancer execute the plan, and proves that every move of it was made.
    pub(crate) async fn during(&self, scene: &Scene, copies: &Copies, plan: PlanId) -> Outcome<Window> {
        scene.cli(&["resume"])?;
        let mut outcomes = None;
        let window = self
            .measure(scene, copies.total(), async || {
                let history = scene.history().await?;
                let finished = history.into_iter().find(|finished| finished.id == plan.0);
                outcomes = finished.map(|finished| finished.outcomes);
                Ok(outcomes.is_some())
            })
            .await?;
        let outcomes = outcomes.unwrap_or_default();
        assert_eq!(outcomes.get("done"), Some(&copies.count), "{outcomes:?}");
        scene.until_clean().await?;
        Ok(window)
    }

    /// Makes copies that nobody throttles.
    pub(crate) async fn uncontrolled(&self, scene: &Scene, copies: &Copies) -> Outcome<Window> {
        scene.cli(&["mode", "observe"])?;
        copies.make_at_once(scene).await?;
        self.measure(scene, copies.total(), async || {
            Ok(scene.cluster.reassignments().await?.is_empty())
        })
        .await
    }

    /// Producers' latencies until something is over.
    async fn measure(
        &self,
        scene: &Scene,
        copied: f64,
        mut is_over: impl AsyncFnMut() -> Outcome<bool>,
    ) -> Outcome<Window> {
        let (start, before) = (Instant::now(), scene.load()?.histogram()?);
        let carried_before = (self.carried)()?;
        scene.load()?.latencies()?;
        while !is_over().await? {
            sleep(LOOK).await;
            trace(scene, start.elapsed()).await?;
        }
        let seconds = start.elapsed().as_secs_f64();
        let carried = (self.carried)()?;
        let most = carried
            .iter()
            .zip(carried_before)
            .map(|(after, before)| after - before)
            .max();
        let mut since = scene.load()?.histogram()?;
        since.subtract(&before)?;
        let milliseconds = |quantile| since.value_at_quantile(quantile) as f64 / 1e3;
        Ok(Window {
            p50_ms: milliseconds(0.5),
            p99_ms: milliseconds(0.99),
            seconds,
            copied,
            utilisation: most.unwrap_or(0) as f64 / seconds / self.limit as f64,
        })
    }
}

/// Says how producers do at the moment, and under which throttles copies are made.
async fn trace(scene: &Scene, since: Duration) -> Outcome {
    let now = scene.load()?.latencies()?.since_last;
    let mut rates: Vec<String> = Vec::new();
    for ((_, name), value) in scene.throttles().await? {
        if name.ends_with(".rate") {
            rates.push(value);
        }
    }
    say(&format!(
        "{:>5.0} s: p50 {:>7.1} ms, p99 {:>7.1} ms; throttles {}; {}",
        since.as_secs_f64(),
        now.p50_ms,
        now.p99_ms,
        rates.join(" "),
        scene.state().await?.problems.join("; ")
    ))
}
