//! What people decide, and what they are shown of it. The simulated clock starts on a Thursday at 00:00.

use super::*;
use crate::execute::ExecuteError;

/// More of the configuration rides on the mode.
const LATER: &str = "execute: {windows: [{from: '00:10', to: '01:00'}]}";
const LATER_FOR_ALL: &str = "execute: {windows: [{from: '00:10', to: '01:00'}], leadership_anytime: false}";

fn replicas_on_3(view: &View) -> usize {
    let of = |broker: &crate::api::view::BrokerView| (broker.id == id(3)).then_some(broker.replicas);
    view.brokers.iter().find_map(of).unwrap_or_default()
}

fn in_state(view: &View, state: &str) -> usize {
    let moves = view.plan.iter().flat_map(|plan| &plan.moves);
    moves.filter(|change| change.state == state).count()
}

fn has_problem(view: &View, words: &str) -> bool {
    view.state.problems.iter().any(|problem| problem.contains(words))
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_a_window_and_the_state_says_so() {
    let mut stage = Stage::new(&format!("auto, {LATER}")).await;
    stage.act(Action::Drain { brokers: vec![id(3)] }).await.unwrap();
    stage
        .until("waiting", |view| {
            has_problem(
                view,
                "emptying brokers 3 waits: outside the maintenance windows only leaders change; \
                 the next one opens at 1970-01-01T00:10Z",
            )
        })
        .await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    let view = stage.view();
    assert_eq!(replicas_on_3(&view), 18);
    let maintenance = view.state.maintenance.clone().unwrap();
    assert_eq!(maintenance.windows, ["00:10-01:00"]);
    assert_eq!(maintenance.next_opening_ms, Some(600_000));
    tokio::time::sleep(Duration::from_secs(270)).await;
    let drained = stage
        .until("drained", |view| {
            replicas_on_3(view) == 0 && view.state.phase == Phase::Watching
        })
        .await;
    assert!(!has_problem(&drained, "maintenance windows"));
    assert_eq!(drained.state.maintenance.clone().unwrap().next_opening_ms, None);
}

#[tokio::test(start_paused = true)]
async fn outside_the_windows_heat_is_cooled_by_leaders_alone_or_not_at_all() {
    for (windows, is_cooled) in [(LATER, true), (LATER_FOR_ALL, false)] {
        let mut stage = Stage::new(&format!("auto, {windows}")).await;
        let before = stage.leaders().await;
        stage.heat_up();
        tokio::time::sleep(Duration::from_secs(120)).await;
        let view = stage.view();
        assert_eq!(stage.leaders().await != before, is_cooled, "{view:#?}");
        let copies: usize = view.history.iter().map(|plan| plan.replica_moves).sum();
        assert_eq!(copies, 0);
        if !is_cooled {
            assert!(has_problem(&view, "nothing is planned; the next one opens"));
            tokio::time::sleep(Duration::from_secs(600)).await;
            stage.until("cooled", |view| view.hot.brokers.is_empty()).await;
            assert_ne!(stage.leaders().await, before);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn copies_that_a_closing_window_leaves_wait_for_the_next_one() {
    let early = "execute: {windows: [{from: '00:00', to: '00:01'}, {from: '00:10', to: '00:40'}], moves_per_cluster: 1}";
    let cluster = cluster().await;
    for number in 0..PARTITIONS {
        cluster.produce(&orders(number), 5e7).unwrap();
    }
    let mut stage = Stage::with(cluster, SimulatedLog::default(), &format!("auto, {early}"));
    tokio::time::sleep(Duration::from_secs(30)).await;
    stage.act(Action::Drain { brokers: vec![id(3)] }).await.unwrap();
    stage
        .until("closed", |view| {
            has_problem(view, "moves of plan 1 wait outside the maintenance windows")
        })
        .await;
    tokio::time::sleep(Duration::from_secs(200)).await;
    let view = stage.view();
    let left = replicas_on_3(&view);
    assert!((1..18).contains(&left), "{left}");
    tokio::time::sleep(Duration::from_secs(400)).await;
    stage.until("drained", |view| replicas_on_3(view) == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_paused_and_goes_on() {
    let mut stage = Stage::new("auto, execute: {moves_per_cluster: 1}").await;
    assert!(matches!(
        stage.act(Action::Pause).await,
        Err(ActionError::Refused(ExecuteError::NothingToPause))
    ));
    stage.act(Action::Drain { brokers: vec![id(3)] }).await.unwrap();
    stage
        .until("executing", |view| view.state.phase == Phase::Executing)
        .await;
    stage.act(Action::Pause).await.unwrap();
    let paused = stage
        .until("paused", |view| view.state.phase == Phase::Paused)
        .await;
    assert_eq!(
        paused.plan.as_ref().map(|plan| plan.standing),
        Some(PlanStanding::Paused)
    );
    stage.heat_up();
    tokio::time::sleep(Duration::from_secs(1200)).await;
    let view = stage.view();
    assert_eq!(view.state.phase, Phase::Paused);
    let pending = in_state(&view, "pending");
    assert!(pending > 10, "{view:#?}");
    assert_eq!(in_state(&view, "in_progress"), 0);
    stage.act(Action::Resume).await.unwrap();
    stage
        .until("going on", |view| {
            view.state.phase == Phase::Executing && in_state(view, "pending") + 2 < pending
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn of_a_proposal_only_the_moves_that_were_approved_are_made() {
    let mut stage = Stage::new("approve").await;
    stage.act(Action::Drain { brokers: vec![id(3)] }).await.unwrap();
    let view = stage
        .until("waiting", |view| view.state.phase == Phase::Waiting)
        .await;
    let proposed = view.plan.clone().unwrap();
    let plan = proposed.id.unwrap();
    let first = &proposed.moves[0];
    let wrong = [orders(99)].into();
    let refused = stage
        .act(Action::Approve {
            plan,
            moves: Some(wrong),
        })
        .await;
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("does not move orders-99; it moves orders-"),
        "{refused}"
    );
    let chosen = [TopicPartition::new(first.topic.clone(), first.partition)].into();
    let answer = stage
        .act(Action::Approve {
            plan,
            moves: Some(chosen),
        })
        .await
        .unwrap();
    assert_eq!(
        answer,
        "1 moves of plan 1 are being executed, 17 are not approved."
    );
    let over = stage.until("over", |view| !view.history.is_empty()).await;
    let outcomes = [("done".to_owned(), 1), ("not_approved".to_owned(), 17)];
    assert_eq!(over.history[0].outcomes, outcomes.into());
    assert_eq!((over.history[0].moves_done, over.history[0].moves), (1, 18));
}

#[tokio::test(start_paused = true)]
async fn a_proposal_outlives_a_rebalance_that_waits_for_a_window() {
    let windows = "execute: {windows: [{from: '00:00', to: '00:06'}], leadership_anytime: false}";
    let mut stage = Stage::new(&format!("approve, {windows}")).await;
    stage.heat_up();
    let view = stage
        .until("waiting", |view| view.state.phase == Phase::Waiting)
        .await;
    let id = view.plan.as_ref().unwrap().id;
    tokio::time::sleep(Duration::from_secs(400)).await;
    stage.act(Action::Rebalance).await.unwrap();
    let words = "copying for a better balance waits: outside the maintenance windows nothing is planned";
    stage.until("shut out", |view| has_problem(view, words)).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let view = stage.view();
    assert_eq!(view.state.phase, Phase::Waiting);
    assert_eq!(view.plan.as_ref().unwrap().id, id);
}

#[tokio::test(start_paused = true)]
async fn the_history_says_what_came_of_a_plan() {
    let mut stage = Stage::new("auto").await;
    stage.heat_up();
    let over = stage.until("over", |view| !view.history.is_empty()).await;
    assert_eq!(over.history[0].imbalance_measured, None);
    let view = stage
        .until("measured", |view| {
            view.history.iter().any(|plan| plan.imbalance_measured.is_some())
        })
        .await;
    let plan = view
        .history
        .iter()
        .find(|plan| plan.imbalance_measured.is_some())
        .unwrap();
    let measured = plan.imbalance_measured.unwrap();
    assert!(view.state.ticked_at_ms >= plan.ended_at_ms + 15_000);
    assert!(measured.bytes_out < plan.imbalance_before.bytes_out, "{plan:?}");
    let first = measured;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let later = stage.view();
    let later = later.history.iter().find(|later| later.id == plan.id).unwrap();
    assert_eq!(later.imbalance_measured, Some(first), "written once");
}

#[tokio::test(start_paused = true)]
async fn journal_records_that_were_left_alone_are_named_among_the_problems_with_what_to_do() {
    use kafka::CompactedLog;
    use kafka::compacted_log::{Entry, LogWriter};
    let log = SimulatedLog::default();
    let (mut writer, _) = log.open().await.unwrap();
    let newer = Entry {
        key: "drain/2".to_owned(),
        value: Some(r#"{"version":9,"body":{}}"#.into()),
    };
    writer.append(vec![newer]).await.unwrap();
    let mut stage = Stage::with(cluster().await, log, "observe");
    stage
        .until("named", |view| {
            has_problem(view, "journal record `drain/2` is left alone: its version is 9")
                && has_problem(view, "update the balancer, or delete it")
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_is_to_be_emptied_gets_nothing_more_of_a_plan_that_would_fill_it() {
    let mut stage = Stage::new("auto, execute: {moves_per_cluster: 1}").await;
    stage.act(Action::Drain { brokers: vec![id(3)] }).await.unwrap();
    stage.until("drained", |view| replicas_on_3(view) == 0).await;
    stage.act(Action::Undrain { brokers: vec![id(3)] }).await.unwrap();
    let filling = stage.until("filling", |view| replicas_on_3(view) > 2).await;
    stage.act(Action::Drain { brokers: vec![id(3)] }).await.unwrap();
    let mut most = 0;
    stage
        .until("drained again", |view| {
            most = most.max(replicas_on_3(view));
            replicas_on_3(view) == 0 && view.state.phase == Phase::Watching
        })
        .await;
    assert!(most <= replicas_on_3(&filling) + 2, "{most}");
}
