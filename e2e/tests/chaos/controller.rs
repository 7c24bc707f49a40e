//! The controller dies while it is being asked for a change, so that nobody knows whether it was made.

use std::collections::BTreeMap;

use e2e::scene::{Outcome, Scene};
use e2e::tap::{Kind, Point, Side};
use e2e::{Layout, Mode};
use kafka::Cluster;
use tokio::time::Instant;

use crate::matrix::{self, say};
use crate::stage::{COPY, ROWS, all_in_sync, layout, over, sampler, slowly, tap, through_the_tap};

const POINTS: [(Kind, Side); 3] = [
    (Kind::AlterPartitionReassignments, Side::Before),
    (Kind::AlterPartitionReassignments, Side::After),
    (Kind::IncrementalAlterConfigs, Side::After),
];

#[tokio::test]
async fn a_plan_goes_on_when_the_controller_dies_at_a_change() -> Outcome {
    kill_the_controller(Layout::default(), "controller", &POINTS).await
}

#[tokio::test]
async fn a_plan_goes_on_when_the_broker_that_is_the_controller_dies_at_a_change() -> Outcome {
    kill_the_controller(Layout::with_zookeeper(), "controller-zk", &POINTS[1..2]).await
}

async fn kill_the_controller(base: Layout, name: &'static str, points: &[(Kind, Side)]) -> Outcome {
    let mut scene = Scene::set_on(layout(base)?, name, &ROWS).await?;
    let sampler = sampler(&scene)?;
    scene.grow("moved", 0, COPY / 2, 20e3).await?;
    let mut all = BTreeMap::new();
    let mut longest: f64 = 0.0;
    for (count, (kind, side)) in (1_usize..).zip(points) {
        let there = count % 2 == 1;
        let (copied, led) = if there {
            ([3, 1, 2], [1, 0, 2])
        } else {
            ([0, 1, 2], [0, 1, 2])
        };
        let moves = vec![
            scene.a_move("moved", 0, &copied, COPY / 2).await?,
            scene.a_move("moved", 1, &led, 0).await?,
        ];
        let connection = through_the_tap(&scene)?;
        let plan = scene.write_plan(moves).await?;
        let (tap, nth) = (tap()?, 1);
        let (kind, side) = (*kind, *side);
        let broker = controller(&scene).await?;
        tap.strike_at(Point { kind, nth, side });
        tap.aim(match broker {
            Some(broker) => scene.kafka.pid(broker)?,
            None => scene.kafka.quorum_pid()?,
        })?;
        scene.balance_alone(|config| {
            slowly(config);
            config.kafka = connection;
        })?;
        if broker.is_some() {
            sampler.excuse();
        }
        scene
            .until("the controller has died", async |scene| {
                Ok(tap.struck().is_some() && is_dead(scene, broker))
            })
            .await?;
        match broker {
            Some(broker) => scene.kafka.start_again(broker).await?,
            None => scene.kafka.restart_controller().await?,
        }
        let back = Instant::now();
        scene.until_whole().await?;
        sampler.excuse_no_more();
        let outcomes = over(&scene, plan).await?;
        let took = back.elapsed().as_secs_f64();
        say(&format!(
            "{side:?} {kind:?}: over {took:.1} s after the controller was back; {outcomes:?}"
        ))?;
        assert_eq!(outcomes.values().sum::<usize>(), 2);
        longest = longest.max(took);
        for (outcome, moves) in outcomes {
            *all.entry(outcome).or_default() += moves;
        }
        scene.stack.take();
    }
    all_in_sync(&sampler);
    matrix::record_end(
        &scene,
        "controller killed at a change and restarted",
        points.len(),
        all,
        longest,
    )?;
    scene.end().await
}

/// The broker that is the controller, if one is.
async fn controller(scene: &Scene) -> Outcome<Option<i32>> {
    match scene.kafka.layout().mode {
        Mode::KRaft => Ok(None),
        Mode::ZooKeeper => {
            let controller = scene.cluster.describe().await?.controller;
            Ok(Some(controller.ok_or("there is no controller")?.get()))
        }
    }
}

fn is_dead(scene: &Scene, broker: Option<i32>) -> bool {
    match broker {
        Some(broker) => scene.kafka.pid(broker).is_err(),
        None => scene.kafka.quorum_pid().is_err(),
    }
}
