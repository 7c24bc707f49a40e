//! Steering a plan: pauses, single approvals, stops in every state, and what is measured afterwards.

use std::collections::BTreeSet;
use std::time::Duration;

use kafka::Cluster;
use kafka::ids::TopicPartition;
use kafka::simulated::Fault;
use tokio::time::advance;

use super::bench::*;
use super::story::{Story, finished, outcomes};
use super::{a_plan, broker, brokers, partition};
use crate::execute::{ExecuteError, Guidance, Limits};
use crate::journal::{Mode, MoveState, Outcome, Phase, PlanHead, PlanId, Record, StopHow, Timestamp};
use crate::plan::{Imbalance, Plan, Purpose};

/// Two copies of partitions 0 and 1 of `t`, 200 MB each, one at a time.
async fn two_copies() -> (Story, PlanId) {
    two_copies_for(Purpose::Cool).await
}

async fn two_copies_for(purpose: Purpose) -> (Story, PlanId) {
    let mut story = Story::with_brokers(4).await;
    story
        .topic("t", &[brokers(&[0, 1, 2]), brokers(&[0, 1, 2])], 2)
        .await;
    story.limits.moves_per_cluster = 1;
    story.executor.set_limits(story.limits.clone());
    let mut moves = Vec::new();
    for number in 0..2 {
        let moved = partition("t", number);
        story.cluster.produce(&moved, 2e8).unwrap();
        moves.push(story.plan_move(&moved, &brokers(&[3, 1, 2]), 200_000_000).await);
    }
    let plan = Plan {
        purpose,
        ..a_plan(moves)
    };
    let id = story.executor.start(plan, story.now()).await.unwrap();
    (story, id)
}

async fn ticks(story: &mut Story, count: usize) {
    for _ in 0..count {
        story.tick(&Guidance::default()).await;
    }
}

fn entering(bench: &mut Bench, phase: Phase, phase_since: Timestamp) {
    let head = bench.state.plans[&PlanId(1)].head.clone().unwrap();
    let head = PlanHead {
        phase,
        phase_since,
        ..head
    };
    bench.state.apply(Record::Plan(PlanId(1), Some(head)));
}

fn phase(story: &Story) -> Option<Phase> {
    story.executor.status().plan.map(|plan| plan.phase)
}

fn states(story: &Story) -> Vec<MoveState> {
    let plan = story.executor.status().plan.unwrap();
    plan.moves
        .into_iter()
        .map(|status| status.progress.state)
        .collect()
}

// Pausing.

#[tokio::test(start_paused = true)]
async fn while_paused_what_is_in_flight_ends_under_its_throttles_and_nothing_new_starts() {
    let (mut story, id) = two_copies().await;
    let before = story.configs().await;
    ticks(&mut story, 1).await;
    story.executor.pause(story.now()).await.unwrap();
    ticks(&mut story, 1).await;
    assert_ne!(story.configs().await, before, "the copy in flight is throttled");
    // Longer than any patience.
    ticks(&mut story, 400).await;
    let states = states(&story);
    assert!(
        matches!(&states[0], MoveState::Ended { outcome, .. } if *outcome == Outcome::Done),
        "{states:?}"
    );
    assert_eq!(states[1], MoveState::Waiting);
    assert_eq!(story.configs().await, before, "throttles are gone with the copy");
    story.executor.resume(story.now()).await.unwrap();
    assert_eq!(outcomes(&story.finish(id).await), [Outcome::Done, Outcome::Done]);
    assert_eq!(story.configs().await, before);
}

#[tokio::test(start_paused = true)]
async fn a_pause_outlives_a_crash_and_no_other_plan_starts_meanwhile() {
    let (mut story, id) = two_copies().await;
    story.executor.pause(story.now()).await.unwrap();
    story.crash().await;
    story.executor.set_limits(story.limits.clone());
    ticks(&mut story, 3).await;
    assert_eq!(phase(&story), Some(Phase::Paused));
    assert!(states(&story).iter().all(|state| *state == MoveState::Waiting));
    let other = story.executor.start(a_plan(Vec::new()), story.now()).await;
    assert!(matches!(other, Err(ExecuteError::Busy(busy)) if busy == id));
    assert_eq!(
        story.executor.pause(story.now()).await.unwrap(),
        id,
        "a second pause is none"
    );
}

#[test]
fn patience_does_not_run_out_while_paused_and_begins_anew_when_the_plan_goes_on() {
    let mut bench = Bench::moving(&[COPY, (&[2, 4], &[2, 4])]).throttled();
    bench.partitions[1].in_sync = brokers(&[4]);
    bench.state.apply(Record::Move(PlanId(1), 1, None));
    let later = Timestamp(NOW.0 + 100 * bench.limits.patience_seconds * 1000);
    entering(&mut bench, Phase::Paused, NOW);
    assert!(bench.ended_at(later).is_empty());
    entering(&mut bench, Phase::Running, later);
    assert!(bench.ended_at(later).is_empty());
    let patience = bench.limits.patience_seconds * 1000;
    let ended = bench.ended_at(Timestamp(later.0 + patience));
    assert!(matches!(ended[..], [Outcome::NotStarted { .. }]), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn only_a_plan_that_runs_is_paused_and_only_a_paused_one_goes_on() {
    let (mut story, _) = two_copies().await;
    let now = story.now();
    assert!(matches!(
        story.executor.resume(now).await,
        Err(ExecuteError::NothingToResume)
    ));
    story.executor.stop(StopHow::Gently, now).await.unwrap();
    assert!(matches!(
        story.executor.pause(now).await,
        Err(ExecuteError::NothingToPause)
    ));
    ticks(&mut story, 1).await;
    assert!(matches!(
        story.executor.pause(now).await,
        Err(ExecuteError::NothingToPause)
    ));
}

#[tokio::test(start_paused = true)]
async fn going_into_observe_ends_a_paused_plan() {
    let (mut story, id) = two_copies().await;
    story.executor.pause(story.now()).await.unwrap();
    story.executor.set_mode(Mode::Observe, story.now()).await.unwrap();
    assert_eq!(
        outcomes(&story.finish(id).await),
        [Outcome::Stopped, Outcome::Stopped]
    );
}

#[tokio::test(start_paused = true)]
async fn a_mode_that_was_chosen_outlives_restarts_until_the_configuration_has_another() {
    let (mut story, id) = two_copies().await;
    story.executor.set_mode(Mode::Approve, story.now()).await.unwrap();
    story.restart(Mode::Auto).await;
    assert_eq!(story.executor.mode(), Mode::Approve);
    story.restart(Mode::Observe).await;
    assert_eq!(story.executor.mode(), Mode::Observe);
    assert_eq!(
        outcomes(&story.finish(id).await),
        [Outcome::Stopped, Outcome::Stopped]
    );
    story.executor.set_mode(Mode::Auto, story.now()).await.unwrap();
    story.restart(Mode::Observe).await;
    assert_eq!(story.executor.mode(), Mode::Auto);
}

#[tokio::test(start_paused = true)]
async fn a_paused_executor_notices_that_another_one_has_taken_over() {
    let (mut story, _) = two_copies().await;
    story.executor.pause(story.now()).await.unwrap();
    ticks(&mut story, 3).await;
    let _second = crate::execute::Executor::open(
        story.cluster.clone(),
        &story.log,
        Limits::default(),
        Mode::Auto,
        story.now(),
    )
    .await
    .unwrap();
    advance(Duration::from_secs(10)).await;
    let ticked = story.executor.tick(&Guidance::default(), story.now()).await;
    assert!(matches!(ticked, Err(ExecuteError::Fenced)));
}

// Single approvals.

async fn proposal() -> (Story, PlanId) {
    let mut story = Story::with_brokers(4).await;
    let replicas = brokers(&[0, 1, 2]);
    story
        .topic("t-1", &[replicas.clone(), replicas.clone(), replicas], 2)
        .await;
    story.executor.set_mode(Mode::Approve, story.now()).await.unwrap();
    let mut moves = Vec::new();
    for number in 0..3 {
        let moved = partition("t-1", number);
        moves.push(story.plan_move(&moved, &brokers(&[1, 0, 2]), 0).await);
    }
    let id = story.executor.start(a_plan(moves), story.now()).await.unwrap();
    (story, id)
}

fn chosen(names: &[&str]) -> BTreeSet<TopicPartition> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn only_the_moves_that_were_approved_are_made() {
    let (mut story, id) = proposal().await;
    let ended = story
        .executor
        .approve_only(id, &chosen(&["t-1-1"]), story.now())
        .await;
    assert_eq!(ended.unwrap(), 2);
    story.crash().await;
    assert_eq!(
        outcomes(&story.finish(id).await),
        [Outcome::NotApproved, Outcome::Done, Outcome::NotApproved]
    );
    for (number, leader) in [(0, 0), (1, 1), (2, 0)] {
        let seen = story.see(&partition("t-1", number)).await.unwrap();
        assert_eq!(seen.leader, Some(broker(leader)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_the_plan_does_not_have_is_answered_with_those_that_it_has() {
    let (mut story, id) = proposal().await;
    let now = story.now();
    let wrong = story
        .executor
        .approve_only(id, &chosen(&["t-1-1", "u-0"]), now)
        .await;
    assert_eq!(
        wrong.unwrap_err().to_string(),
        "plan 1 does not move u-0; it moves t-1-0, t-1-1, t-1-2"
    );
    let none = story.executor.approve_only(id, &chosen(&[]), now).await;
    assert!(matches!(none, Err(ExecuteError::NothingChosen)));
    let other = PlanId(7);
    let older = story.executor.approve_only(other, &chosen(&["t-1-1"]), now).await;
    assert!(matches!(older, Err(ExecuteError::NoSuchPlan)));
    assert_eq!(phase(&story), Some(Phase::Proposed));
}

// Stopping, in every state.

#[tokio::test(start_paused = true)]
async fn a_proposal_that_is_stopped_is_over_without_a_change() {
    for how in [StopHow::Gently, StopHow::AtOnce] {
        let (mut story, id) = proposal().await;
        story.executor.stop(how, story.now()).await.unwrap();
        let report = story.tick(&Guidance::default()).await;
        assert_eq!(report.changes, 0);
        let plan = finished(&story.executor.status().history, id);
        assert_eq!(outcomes(&plan), vec![Outcome::Stopped; 3]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_may_stay_after_all_keeps_what_has_not_begun_to_leave_it() {
    let (mut story, id) = two_copies_for(Purpose::Drain(brokers(&[0]))).await;
    story.executor.drain(broker(0), story.now()).await.unwrap();
    ticks(&mut story, 1).await;
    story.executor.undrain(broker(1), story.now()).await.unwrap();
    assert_eq!(phase(&story), Some(Phase::Running));
    story.executor.undrain(broker(0), story.now()).await.unwrap();
    let plan = story.finish(id).await;
    assert_eq!(outcomes(&plan), [Outcome::Done, Outcome::Stopped]);
    assert!(story.executor.drains().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_order_that_stops_a_plan_does_so_also_where_it_could_not_be_written_at_first() {
    for in_observe in [false, true] {
        let (mut story, id) = two_copies_for(Purpose::Drain(brokers(&[0]))).await;
        story.executor.drain(broker(0), story.now()).await.unwrap();
        ticks(&mut story, 1).await;
        let mut fault = Some(Fault::Lost);
        story.log.inject(move |_| fault.take());
        let now = story.now();
        let lost = match in_observe {
            true => story.executor.set_mode(Mode::Observe, now).await,
            false => story.executor.undrain(broker(0), now).await,
        };
        assert!(matches!(lost, Err(ExecuteError::Journal(_))), "{lost:?}");
        let plan = story.finish(id).await;
        assert_eq!(outcomes(&plan), [Outcome::Done, Outcome::Stopped]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_paused_plan_stops_at_once_or_gently_as_any_other() {
    for (how, outcome, replicas) in [
        (StopHow::AtOnce, Outcome::Stopped, [0, 1, 2]),
        (StopHow::Gently, Outcome::Done, [3, 1, 2]),
    ] {
        let (mut story, id) = two_copies().await;
        let before = story.configs().await;
        ticks(&mut story, 1).await;
        story.executor.pause(story.now()).await.unwrap();
        ticks(&mut story, 1).await;
        story.executor.stop(how, story.now()).await.unwrap();
        assert_eq!(outcomes(&story.finish(id).await), [outcome, Outcome::Stopped]);
        let seen = story.see(&partition("t", 0)).await.unwrap();
        assert_eq!(seen.replicas, brokers(&replicas));
        assert_eq!(story.configs().await, before);
    }
}

#[test]
fn stopping_at_once_lets_an_election_end_since_the_copy_is_over() {
    let mut bench = Bench::moving(&[COPY]);
    bench.set(0, MoveState::Electing { since: NOW }, COPY.0, COPY.1);
    bench.partitions[0].replicas = brokers(COPY.1);
    bench.partitions[0].in_sync = brokers(COPY.1);
    bench.partitions[0].leader = Some(broker(1));
    stopping(&mut bench, StopHow::AtOnce);
    assert_eq!(bench.started(), [0], "the election is asked for again");
    assert!(!cancels(&bench));
    bench.partitions[0].leader = Some(broker(3));
    assert_eq!(bench.ended(), [Outcome::Done]);
}

#[test]
fn stopping_at_once_takes_back_what_was_asked_for_even_when_kafka_hears_of_it_late() {
    let mut bench = Bench::moving(&[COPY]);
    bench.set(0, MoveState::Asked { since: NOW }, COPY.0, COPY.1);
    stopping(&mut bench, StopHow::AtOnce);
    assert!(bench.started().is_empty(), "it is not asked for again");
    bench.set(
        0,
        MoveState::Reverting {
            since: NOW,
            seen: false,
            outcome: Outcome::Stopped,
        },
        COPY.0,
        COPY.1,
    );
    assert!(bench.ended().is_empty(), "the request may still be on its way");
    assert_eq!(bench.ended_at(Timestamp(NOW.0 + 10_001)), [Outcome::Stopped]);
    bench.partitions[0].replicas = brokers(&[3, 1, 2, 0]);
    bench
        .reassignments
        .insert(partition("t", 0), reassignment(&[3, 1, 2, 0], &[3], &[0]));
    assert!(cancels(&bench));
}

#[tokio::test(start_paused = true)]
async fn stopping_at_once_after_stopping_gently_takes_back_and_not_the_other_way() {
    let (mut story, id) = two_copies().await;
    ticks(&mut story, 1).await;
    for how in [StopHow::Gently, StopHow::AtOnce, StopHow::Gently] {
        story.executor.stop(how, story.now()).await.unwrap();
    }
    assert_eq!(
        outcomes(&story.finish(id).await),
        [Outcome::Stopped, Outcome::Stopped]
    );
    assert!(story.cluster.reassignments().await.unwrap().is_empty());
}

// What comes of a plan.

#[tokio::test(start_paused = true)]
async fn what_a_plan_has_brought_about_is_measured_once_and_only_in_time() {
    let imbalance = |n| Imbalance {
        bytes_in: n,
        bytes_out: n,
        cpu: n,
        disk: n,
    };
    let after = Duration::from_secs(15);
    let (mut story, id) = two_copies().await;
    let plan = story.finish(id).await;
    let measured = |story: &Story| finished(&story.executor.status().history, id).measured;
    let ended = |later: u64| Timestamp(plan.finished_at.0 + later * 1000);
    for (n, later, expected) in [
        (1.1, 14, None),
        (f64::NAN, 20, None),
        (1.1, 150, None),
        (1.2, 15, Some(imbalance(1.2))),
        (1.3, 20, Some(imbalance(1.2))),
    ] {
        story
            .executor
            .measure(imbalance(n), after, ended(later))
            .await
            .unwrap();
        assert_eq!(measured(&story), expected, "{later} s after");
    }
    story.crash().await;
    assert_eq!(measured(&story), Some(imbalance(1.2)));
}
