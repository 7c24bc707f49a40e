//! A snapshot of a live cluster, a plan made from it without the cluster, and Kafka's own tool that carries it out.

use std::process::{Command, Output};

use balancer::journal::Mode;
use balancer::model::snapshot;
use e2e::process::Program;
use kafka::settings;
use serde::Deserialize;

use e2e::scene::{Outcome, Row, Scene, ids, numbers, partition_of};

/// What `kafka-reassign-partitions` reads.
#[derive(Deserialize)]
struct Reassignment {
    version: u32,
    partitions: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    topic: String,
    partition: i32,
    replicas: Vec<i32>,
}

/// All on brokers 0 and 1.
const CROWDED: [Row<'_>; 4] = [
    ("offline", &[0, 1], 200e3),
    ("offline", &[1, 0], 200e3),
    ("offline", &[0, 1], 200e3),
    ("offline", &[1, 0], 200e3),
];

#[tokio::test]
async fn a_plan_from_a_snapshot_is_carried_out_by_kafkas_own_tool() -> Outcome {
    let mut scene = Scene::set("offline", &CROWDED).await?;
    scene.balance(Mode::Observe, |_| {}).await?;
    let folder = tempfile::tempdir()?;
    let (config, taken, targets) = (
        folder.path().join("balancer.yaml"),
        folder.path().join("snapshot.json"),
        folder.path().join("targets.json"),
    );
    std::fs::write(&config, settings::to_yaml(&scene.stack()?.config)?)?;
    let mut snapshot_command = Command::new(Program::Balancer.path()?);
    snapshot_command.args(["snapshot", "--config"]).arg(&config);
    snapshot_command.arg("--to").arg(&taken);
    scene
        .until("a snapshot of three looks has the load of a broker", async |_| {
            let output = snapshot_command.output()?;
            assert!(output.status.success(), "{}", text(&output));
            let model = snapshot::read(std::fs::File::open(&taken)?)?;
            assert_eq!(model.brokers().len(), 4);
            let carried = model.broker_load(model.brokers().next().ok_or("no broker")?);
            println!("a snapshot has {:.0} bytes/s in", carried.bytes_in);
            Ok((0.7..1.3).contains(&(carried.bytes_in / 800e3)))
        })
        .await?;

    let plan = Command::new(Program::Balancer.path()?)
        .args(["plan", "--output", "kafka", "--floor", "3", "--ignore", "cpu"])
        .args(["--ignore", "disk", "--snapshot"])
        .arg(&taken)
        .output()?;
    assert!(plan.status.success(), "{}", text(&plan));
    let planned: Reassignment = serde_json::from_slice(&plan.stdout)?;
    assert!(planned.version == 1 && !planned.partitions.is_empty());
    std::fs::write(&targets, &plan.stdout)?;

    let tool = |action: &str| -> Outcome<Output> {
        let output = Command::new("java")
            .args([
                "-Xmx128m",
                "-XX:TieredStopAtLevel=1",
                "-cp",
                &scene.kafka.class_path(),
            ])
            .arg("org.apache.kafka.tools.reassign.ReassignPartitionsCommand")
            .args(["--bootstrap-server", &scene.kafka.bootstrap(), action])
            .arg("--reassignment-json-file")
            .arg(&targets)
            .output()?;
        Ok(output)
    };
    let executed = tool("--execute")?;
    assert!(
        text(&executed).contains("Successfully started partition reassignment"),
        "{}",
        text(&executed)
    );
    scene
        .until("the tool says that all is done", async |_| {
            let said = text(&tool("--verify")?);
            Ok(said.matches("is completed").count() == planned.partitions.len())
        })
        .await?;
    for target in planned
        .partitions
        .iter()
        .filter(|target| target.topic == "offline")
    {
        let partition = partition_of("offline", target.partition)?;
        scene.until_on(&partition, &ids(&target.replicas)?).await?;
    }
    let placed: Vec<Vec<i32>> = scene
        .settled("offline")
        .await?
        .iter()
        .map(|partition| numbers(&partition.replicas))
        .collect();
    let hosted = |broker: i32| {
        placed
            .iter()
            .filter(|replicas| replicas.contains(&broker))
            .count()
    };
    assert!((0..4).all(|broker| hosted(broker) == 2), "{placed:?}");
    scene.end().await
}

fn text(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&both).into_owned()
}
