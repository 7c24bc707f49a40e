//! A disk that becomes full in the middle of a copy.

use std::process::Command;
use std::time::Duration;

use e2e::scene::{Outcome, Scene, numbers};
use e2e::{BrokerSpec, Layout};
use kafka::settings::{ByteRate, ByteSize};
use rustix::process::geteuid;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::matrix::{self, say};
use crate::stage::{COPY, ROWS, all_in_sync, layout, over, sampler, slowly};

/// Room for Kafka's own topics and a part of the copy.
const SMALL: &str = "40m";
/// Room for all of it.
const LARGE: &str = "200m";

#[tokio::test]
async fn a_copy_that_would_fill_a_disk_is_taken_back_by_name_and_another_is_made() -> Outcome {
    if !geteuid().is_root() {
        return say("nothing is proven here: only root can mount a small disk");
    }
    let disk = SmallDisk::mount()?;
    let mut scene = Scene::set_on(disk.layout()?, "disk", &ROWS).await?;
    let sampler = sampler(&scene)?;
    scene.grow("moved", 0, 4 * COPY, 20e3).await?;
    let plan = scene.write_plan(too_large(&scene).await?).await?;
    scene
        .balance_alone(|config| {
            slowly(config);
            // Ten seconds lie between the reserve and a full disk, for the order to take the copy back.
            config.capacity.bytes_out = ByteRate::from_bytes_per_second(1_500_000);
            config.execute.disk_reserve = ByteSize::from_bytes(15_000_000);
        })?
        .ready()
        .await?;
    let start = Instant::now();
    let outcomes = over(&scene, plan).await?;
    let took = start.elapsed().as_secs_f64();
    assert!(outcomes.keys().eq(["disk_full", "done"]), "{outcomes:?}");
    assert_eq!(numbers(&scene.partition("moved", 0).await?.replicas), [0, 1, 2]);
    all_in_sync(&sampler);
    matrix::record_end(&scene, "disk nearly full in mid-copy", 1, outcomes, took)?;

    // The same without a reserve: the disk becomes full, and Kafka ends the broker.
    sampler.excuse();
    scene.stack.take();
    let plan = scene.write_plan(too_large(&scene).await?).await?;
    scene
        .balance_alone(|config| {
            slowly(config);
            config.capacity.bytes_out = ByteRate::from_bytes_per_second(4_000_000);
            config.execute.disk_reserve = ByteSize::from_bytes(0);
            config.execute.broker_grace = Duration::from_secs(10);
        })?
        .ready()
        .await?;
    scene
        .until("Kafka ends the broker", async |scene| {
            Ok(scene.kafka.pid(3).is_err())
        })
        .await?;
    let mut outcomes = Vec::new();
    scene
        .until("the plan is over", async |scene| {
            let past = scene.history().await?;
            outcomes = past
                .into_iter()
                .filter(|past| past.id == plan.0)
                .flat_map(|past| past.outcomes.into_keys())
                .collect();
            Ok(!outcomes.is_empty())
        })
        .await?;
    assert_eq!(outcomes, ["broker_gone", "done"]);
    disk.enlarge()?;
    scene.kafka.start_again(3).await?;
    let back = Instant::now();
    let outcomes = over(&scene, plan).await?;
    matrix::record_end(
        &scene,
        "disk full in mid-copy, which ends the broker; enlarged and restarted",
        1,
        outcomes,
        back.elapsed().as_secs_f64(),
    )?;
    scene.end_with_the_cluster().await.map(drop)
}

/// A copy of which the plan believes that it is small, and a change of leaders.
async fn too_large(scene: &Scene) -> Outcome<Vec<balancer::plan::Move>> {
    let leader = scene
        .partition("moved", 1)
        .await?
        .leader
        .map(|leader| leader.get());
    let other = if leader == Some(0) { [1, 0, 2] } else { [0, 1, 2] };
    Ok(vec![
        scene.a_move("moved", 0, &[3, 1, 2], 100_000).await?,
        scene.a_move("moved", 1, &other, 0).await?,
    ])
}

/// A file system in memory. Dropping it unmounts it, also under the feet of a broker.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Outcome<Self> {
        let folder = TempDir::with_prefix("kafka-disk")?;
        let disk = Self(folder);
        run(
            "mount",
            &[
                "-t",
                "tmpfs",
                "-o",
                &format!("size={SMALL}"),
                "tmpfs",
                &disk.path(),
            ],
        )?;
        Ok(disk)
    }

    /// Broker 3 has its data on it.
    fn layout(&self) -> Outcome<Layout> {
        let mut layout = layout(Layout::default())?;
        let spec: &mut BrokerSpec = layout.brokers.last_mut().ok_or("no broker")?;
        spec.data = Some(self.0.path().join("data"));
        // Indices are as large as they may become from the start.
        let index = ("log.index.size.max.bytes".to_owned(), "65536".to_owned());
        layout.properties.extend([index]);
        Ok(layout)
    }

    fn enlarge(&self) -> Outcome {
        run("mount", &["-o", &format!("remount,size={LARGE}"), &self.path()])
    }

    fn path(&self) -> String {
        self.0.path().display().to_string()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = run("umount", &["-l", &self.path()]);
    }
}

fn run(program: &str, arguments: &[&str]) -> Outcome {
    let output = Command::new(program).args(arguments).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    )
    .into())
}
