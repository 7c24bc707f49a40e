//! Topics that get more replicas, and fewer, because somebody orders it.

use kafka::cluster::ConfigResource;

use super::*;

fn replicate(topic: &str, replicas: Option<i64>) -> Action {
    let replicas = replicas.map(|replicas| replicas.try_into().unwrap());
    Action::Replicate {
        topics: [(topic.parse().unwrap(), replicas)].into(),
    }
}

async fn replicas(stage: &Stage) -> Vec<usize> {
    let description = stage.cluster.describe().await.unwrap();
    let partitions = &description.topics[0].partitions;
    let mut counts: Vec<usize> = partitions
        .iter()
        .map(|partition| partition.in_sync.len())
        .collect();
    counts.dedup();
    counts
}

fn is_done(view: &View) -> bool {
    view.state.replicating.is_empty() && view.state.phase == Phase::Watching
}

/// Whether Kafka has no throttle.
async fn is_unthrottled(stage: &Stage) -> bool {
    let topic = ConfigResource::Topic("orders".parse().unwrap());
    let brokers = (0..4).map(|broker| ConfigResource::Broker(id(broker)));
    let resources: Vec<ConfigResource> = brokers.chain([topic]).collect();
    let found = stage.cluster.configs(&resources, &[]).await.unwrap();
    let mut entries = found.into_values().flat_map(Result::unwrap);
    !entries.any(|entry| {
        entry.name.contains("throttled") && entry.value.is_some_and(|value| value.contains("613"))
    })
}

#[tokio::test(start_paused = true)]
async fn a_topic_gets_a_replica_and_loses_two_and_the_state_says_how_far_that_is() {
    let mut stage = Stage::new("auto").await;
    for (wanted, words) in [(4, "orders=4"), (2, "orders=2")] {
        let said = stage.act(replicate("orders", Some(wanted))).await.unwrap();
        assert!(said.contains(&format!("orders {wanted}")), "{said}");
        let ordered = stage
            .until("ordered", |view| !view.state.replicating.is_empty())
            .await;
        let order = &ordered.state.replicating[0];
        assert_eq!(
            (order.topic.as_str(), order.replicas.get() as i64),
            ("orders", wanted)
        );
        let done = stage.until("done", is_done).await;
        assert_eq!(replicas(&stage).await, [wanted as usize]);
        let plan = done
            .history
            .iter()
            .find(|plan| plan.purpose == format!("replicate {words}"));
        let plan = plan.unwrap();
        assert_eq!((plan.moves_done, plan.moves), (24, 24), "{plan:?}");
        assert_eq!(
            (plan.replica_moves, plan.removals),
            if wanted == 4 { (24, 0) } else { (0, 24) }
        );
        assert!(is_unthrottled(&stage).await);
    }
    let shrinks = stage.cluster.shrinks();
    assert_eq!(shrinks.len(), 24);
    assert!(
        shrinks
            .iter()
            .all(|shrink| (shrink.before, shrink.after) == (4, 2)),
        "{shrinks:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_order_that_cannot_be_obeyed_is_refused_with_its_cause() {
    let stage = Stage::new("auto").await;
    for (topic, replicas, words) in [
        ("payments", 2, "there is no topic payments"),
        (
            "orders",
            5,
            "cannot have 5 replicas of a partition on 4 live brokers",
        ),
        ("orders", 1, "has min.insync.replicas=2"),
    ] {
        let error = stage.act(replicate(topic, Some(replicas))).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    let nothing = stage.act(Action::Replicate { topics: [].into() }).await;
    assert!(matches!(nothing, Err(ActionError::NoTopic)));
    assert!(stage.view().state.replicating.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_order_is_for_the_topic_that_there_is_and_not_for_the_one_that_was_seen_last() {
    let mut stage = Stage::new("auto").await;
    let deleted = stage.cluster.delete_topics(&["orders".parse().unwrap()]).await;
    deleted.unwrap();
    create_orders(&stage.cluster).await;
    stage.act(replicate("orders", Some(4))).await.unwrap();
    stage.until("done", is_done).await;
    assert_eq!(replicas(&stage).await, [4]);
}

#[tokio::test(start_paused = true)]
async fn an_order_goes_on_after_the_balancer_was_killed_in_the_middle() {
    let mut stage = Stage::new("auto").await;
    for number in 0..PARTITIONS {
        stage.cluster.produce(&orders(number), 50e6).unwrap();
    }
    for broker in 0..4 {
        stage.cluster.set_bandwidth(id(broker), 5e6);
    }
    stage.act(replicate("orders", Some(4))).await.unwrap();
    let copying = |view: &View| {
        view.plan
            .iter()
            .flat_map(|plan| &plan.moves)
            .any(|change| change.state == "done")
    };
    stage.until("in the middle", copying).await;
    stage.stop.cancel();
    let mut next = Stage::with(stage.cluster.clone(), stage.log.clone(), "auto");
    next.until("seen", |view| !view.state.replicating.is_empty())
        .await;
    tokio::time::sleep(Duration::from_secs(1000)).await;
    next.until("done", is_done).await;
    assert_eq!(replicas(&next).await, [4]);
}

#[tokio::test(start_paused = true)]
async fn an_order_is_suggested_in_observe_waits_in_approve_and_can_be_taken_back() {
    let mut stage = Stage::new("observe").await;
    stage.act(replicate("orders", Some(4))).await.unwrap();
    let view = stage.until("suggested", |view| view.plan.is_some()).await;
    assert_eq!(view.plan.as_ref().unwrap().purpose, "replicate orders=4");
    stage.act(Action::Mode(Mode::Approve)).await.unwrap();
    stage
        .until("waiting", |view| view.state.phase == Phase::Waiting)
        .await;
    // Another number makes another plan.
    stage.act(replicate("orders", Some(2))).await.unwrap();
    stage
        .until("waiting for less", |view| {
            view.plan
                .as_ref()
                .is_some_and(|plan| plan.purpose == "replicate orders=2" && plan.id.is_some())
        })
        .await;
    let id = stage.view().plan.as_ref().unwrap().id;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(stage.view().plan.as_ref().unwrap().id, id, "it goes on waiting");
    assert_eq!(replicas(&stage).await, [3]);
    stage.act(replicate("orders", None)).await.unwrap();
    stage.until("withdrawn", is_done).await;
    assert_eq!(replicas(&stage).await, [3]);
}

#[tokio::test(start_paused = true)]
async fn replicas_neither_come_nor_go_outside_the_windows_and_heat_is_cooled_meanwhile() {
    let mut stage = Stage::new("auto, execute: {windows: [{from: '00:10', to: '01:00'}]}").await;
    stage.act(replicate("orders", Some(2))).await.unwrap();
    let words =
        "giving orders another number of replicas waits: outside the maintenance windows nothing is planned";
    stage
        .until("waiting", |view| {
            view.state.problems.iter().any(|problem| problem.contains(words))
        })
        .await;
    stage.heat_up();
    stage
        .until("cooled", |view| {
            view.history.iter().any(|plan| plan.leadership_changes > 0)
        })
        .await;
    assert_eq!(replicas(&stage).await, [3]);
    // Until the window opens, and what was cooled since the order has cooled down.
    tokio::time::sleep(Duration::from_secs(1000)).await;
    stage.until("done", is_done).await;
    assert_eq!(replicas(&stage).await, [2]);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_cannot_go_on_does_not_keep_heat_from_being_cooled() {
    let mut stage = Stage::new("auto, execute: {bytes_per_hour: 1 MB, patience: 60s}").await;
    stage.act(replicate("orders", Some(4))).await.unwrap();
    stage
        .until("executing", |view| view.state.phase == Phase::Executing)
        .await;
    stage.heat_up();
    stage
        .until("cooled", |view| {
            view.history.iter().any(|plan| plan.leadership_changes > 0)
        })
        .await;
    assert_eq!(replicas(&stage).await, [3]);
    assert_eq!(stage.view().state.replicating.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_ordered_away_is_not_copied_off_a_broker_that_is_emptied() {
    let mut stage = Stage::new("observe").await;
    stage.act(replicate("orders", Some(2))).await.unwrap();
    stage.act(Action::Drain { brokers: vec![id(3)] }).await.unwrap();
    stage.act(Action::Mode(Mode::Auto)).await.unwrap();
    let is_empty = |view: &View| {
        let mut brokers = view.brokers.iter();
        brokers.any(|broker| broker.id == id(3) && broker.replicas == 0)
    };
    let view = stage
        .until("emptied", |view| is_done(view) && is_empty(view))
        .await;
    assert_eq!(replicas(&stage).await, [2]);
    // It had 18 replicas; a few others may be copied for the sake of balance.
    let copied: usize = view.history.iter().map(|plan| plan.replica_moves).sum();
    assert!(copied <= 4, "{:#?}", view.history);
}
