//! The network between the balancer and the brokers is cut.

use std::net::SocketAddr;
use std::time::Duration;

use e2e::Layout;
use e2e::network::Network;
use e2e::scene::{Configs, Outcome, Scene, partition_of, until};
use kafka::Cluster;
use kafka::cluster::OffsetSpec;
use rustix::process::geteuid;
use tokio::time::{Instant, sleep};

use crate::matrix::{self, say};
use crate::stage::{COPY, ROWS, all_in_sync, from_outside, in_the_middle, layout, over, sampler, slowly};

/// How long it stays cut: several looks of the balancer.
const CUT: Duration = Duration::from_secs(10);
/// How long a balancer that reaches the brokers again may take.
const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_balancer_cut_off_does_nothing_more_and_goes_on_when_the_network_is_back() -> Outcome {
    if !geteuid().is_root() {
        return say("nothing is proven here: only root can make a network namespace");
    }
    let network = Network::new()?;
    let mut scene = Scene::set_on(layout(Layout::default())?, "cut", &ROWS).await?;
    let sampler = sampler(&scene)?;
    // Three times what the others copy: it is still being copied when the network is back.
    scene.grow("moved", 0, 3 * COPY, 20e3).await?;
    let moves = vec![scene.a_move("moved", 0, &[3, 1, 2], 3 * COPY).await?];
    let plan = scene.write_plan(moves).await?;
    let connection = from_outside(&scene)?;
    scene.balance_from(&network, |config| {
        slowly(config);
        config.kafka = connection;
        config.listen = SocketAddr::from((network.inside(), 9405));
    })?;
    scene.balancer_mut()?.ready().await?;
    in_the_middle(&scene, "moved", 3).await?;

    network.cut()?;
    // Until all is answered that had been sent already.
    let mut before = seen(&scene).await?;
    until(SOON, "nothing happens while the network is cut", async || {
        sleep(Duration::from_secs(3)).await;
        let last = std::mem::replace(&mut before, seen(&scene).await?);
        Ok(before == last)
    })
    .await?;
    sleep(CUT).await;
    assert_eq!(
        seen(&scene).await?,
        before,
        "something has happened although the network is cut"
    );
    assert!(
        !scene.cluster.reassignments().await?.is_empty(),
        "the copy was over too soon"
    );

    network.mend()?;
    let back = Instant::now();
    let outcomes = over(&scene, plan).await?;
    let took = back.elapsed();
    assert!(took <= SOON, "{took:?}");
    assert!(outcomes.keys().eq(["done"]), "{outcomes:?}");
    all_in_sync(&sampler);
    matrix::record_end(
        &scene,
        "network between balancer and brokers cut and restored",
        1,
        outcomes,
        took.as_secs_f64(),
    )?;
    scene.end().await
}

/// All configuration, and how far the journal is.
async fn seen(scene: &Scene) -> Outcome<(Configs, i64)> {
    let journal = partition_of("journal-of-cut", 0)?;
    let mut ends = scene
        .cluster
        .offsets(std::slice::from_ref(&journal), OffsetSpec::Latest)
        .await?;
    let end = ends.remove(&journal).ok_or("the journal has no end")??;
    Ok((scene.configs().await?, end))
}
