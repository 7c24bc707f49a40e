//! The operator on a real Kubernetes, with real brokers in pods, as its users have it: applied from `deploy/operator.yaml`
//! and spoken to by `kubectl`. `make test-kubernetes` runs it, and writes what it measured to `target/e2e/operator.json`.

mod admission;
mod figures;
mod hundred;
mod installed;
mod life;
mod lost;
mod repairs;
mod secured;
mod traffic;
mod walkthrough;

use e2e::Kubernetes;
use e2e::scene::Outcome;

use figures::Figures;
use installed::Installed;

/// One processor less than the brokers of the walk-through ask for would keep one of them from starting.
const NODES: u8 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn a_kafkacluster_lives_its_whole_life_without_losing_a_record() -> Outcome {
    if !Kubernetes::is_wanted()? {
        return Ok(());
    }
    let cluster = Kubernetes::up(NODES).await?;
    let operator = Installed::by_its_manifest(&cluster).await?;
    walkthrough::the_readme_does_what_it_says(&operator).await?;
    secured::only_users_get_in_and_brokers_get_more_while_they_run(&operator).await?;
    let mut figures = Figures::default();
    life::a_cluster_grows_rolls_and_shrinks_under_load(&operator, &mut figures).await?;
    figures.write()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_of_a_node_that_is_lost_goes_on_elsewhere() -> Outcome {
    if !Kubernetes::is_wanted()? {
        return Ok(());
    }
    let cluster = Kubernetes::up(NODES).await?;
    let operator = Installed::by_its_manifest(&cluster).await?;
    lost::a_broker_is_replaced(&operator).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_at_admission_by_the_name_of_its_field() -> Outcome {
    if !Kubernetes::is_wanted()? {
        return Ok(());
    }
    let cluster = Kubernetes::control_plane().await?;
    cluster.define_kafkaclusters().await?;
    admission::every_wrong_spec_is_refused(&cluster).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_clusters_cost_little() -> Outcome {
    if !Kubernetes::is_wanted()? {
        return Ok(());
    }
    let cluster = Kubernetes::control_plane().await?;
    let mut figures = Figures::default();
    hundred::clusters_cost_little(&cluster, &mut figures).await?;
    figures.write()
}
