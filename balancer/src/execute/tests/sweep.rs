//! Throttles that no journal accounts for.

use std::time::Duration;

use kafka::Cluster;
use kafka::cluster::ConfigResource;
use kafka::simulated::SimulatedLog;
use tokio::time::advance;

use super::story::{Story, outcomes, set};
use super::{a_plan, broker, brokers, partition, topic};
use crate::execute::Guidance;
use crate::journal::{Direction, Outcome};

/// A cluster with a journal that was lost, and a throttle that a balancer had set at broker 3 for partition 0.
async fn after_the_loss_of_the_journal() -> Story {
    let mut story = Story::with_brokers(4).await;
    story
        .topic("t", &[brokers(&[0, 1, 2]), brokers(&[0, 1, 2])], 2)
        .await;
    throttle(&story, "0:3", "8000613").await;
    story.log = SimulatedLog::default();
    story.crash().await;
    story
}

async fn throttle(story: &Story, elements: &str, rate: &str) {
    let list = Direction::Follower.replicas();
    let resource = ConfigResource::Topic(topic("t"));
    story.alter(resource, set(list, elements)).await;
    let resource = ConfigResource::Broker(broker(3));
    story.alter(resource, set(Direction::Follower.rate(), rate)).await;
}

async fn throttles(story: &Story) -> usize {
    let configs = story.configs().await;
    configs
        .keys()
        .filter(|(_, name)| name.contains("throttled"))
        .count()
}

async fn ticks(story: &mut Story, count: usize) {
    for _ in 0..count {
        story.tick(&Guidance::default()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttle_that_bears_the_mark_and_is_in_no_journal_is_taken_away_within_two_minutes() {
    let mut story = after_the_loss_of_the_journal().await;
    ticks(&mut story, 10).await;
    assert_eq!(throttles(&story).await, 2, "it may be on its way to be used");
    ticks(&mut story, 14).await;
    assert_eq!(throttles(&story).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_throttle_of_somebody_elses_stays_whatever_the_journal_has_lost() {
    let mut story = after_the_loss_of_the_journal().await;
    throttle(&story, "0:3", "8000000").await;
    ticks(&mut story, 400).await;
    assert_eq!(throttles(&story).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_no_journal_knows_keeps_its_throttle_until_it_is_over() {
    let mut story = after_the_loss_of_the_journal().await;
    let of = partition("t", 0);
    story.cluster.produce(&of, 2e9).unwrap();
    let target = [(of.clone(), brokers(&[3, 1, 2]))];
    story.cluster.reassign(&target).await.unwrap();
    for _ in 0..20 {
        ticks(&mut story, 1).await;
        assert!(story.cluster.reassignments().await.unwrap().contains_key(&of));
        assert_eq!(throttles(&story).await, 2);
    }
    advance(Duration::from_secs(300)).await;
    assert!(story.cluster.reassignments().await.unwrap().is_empty());
    ticks(&mut story, 130).await;
    assert_eq!(throttles(&story).await, 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_late_request_brings_back_is_taken_away_again_and_what_was_there_before_is_put_back() {
    let mut story = Story::with_brokers(4).await;
    story.topic("t", &[brokers(&[0, 1, 2])], 2).await;
    let rate = Direction::Follower.rate();
    story
        .alter(ConfigResource::Broker(broker(3)), set(rate, "777"))
        .await;
    let before = story.configs().await;
    let planned = story
        .plan_move(&partition("t", 0), &brokers(&[3, 1, 2]), 1_000)
        .await;
    let id = story
        .executor
        .start(a_plan(vec![planned]), story.now())
        .await
        .unwrap();
    story.finish(id).await;
    assert_eq!(story.configs().await, before);
    throttle(&story, "0:3", "9000613").await;
    ticks(&mut story, 140).await;
    assert_eq!(story.configs().await, before);
}

#[tokio::test(start_paused = true)]
async fn a_rate_that_bears_the_mark_is_not_taken_for_what_was_there_before() {
    let mut story = Story::with_brokers(4).await;
    story.topic("t", &[brokers(&[0, 1, 2])], 2).await;
    let before = story.configs().await;
    let left = set(Direction::Follower.rate(), "10000613");
    story.alter(ConfigResource::Broker(broker(3)), left).await;
    let planned = story
        .plan_move(&partition("t", 0), &brokers(&[3, 1, 2]), 1_000)
        .await;
    let id = story
        .executor
        .start(a_plan(vec![planned]), story.now())
        .await
        .unwrap();
    assert_eq!(outcomes(&story.finish(id).await), [Outcome::Done]);
    assert_eq!(story.configs().await, before);
}

#[tokio::test(start_paused = true)]
async fn a_copy_to_a_broker_that_is_down_is_throttled_when_it_comes_back_though_records_were_lost() {
    let mut story = Story::with_brokers(4).await;
    story.topic("t", &[brokers(&[0, 1, 2])], 2).await;
    let of = partition("t", 0);
    story.cluster.produce(&of, 2e9).unwrap();
    let planned = story.plan_move(&of, &brokers(&[3, 1, 2]), 2_000_000_000).await;
    story
        .executor
        .start(a_plan(vec![planned]), story.now())
        .await
        .unwrap();
    ticks(&mut story, 3).await;
    assert!(story.cluster.reassignments().await.unwrap().contains_key(&of));
    story.cluster.stop_broker(broker(3));
    for lost in ["plan/1", "move/1/0", "throttle/topic/t/follower"] {
        assert!(
            story.log.entries().iter().any(|entry| entry.key == lost),
            "{lost}"
        );
        story.log.corrupt(lost, b"{");
    }
    story.crash().await;
    ticks(&mut story, 1).await;
    story.cluster.start_broker(broker(3));
    for _ in 0..20 {
        ticks(&mut story, 1).await;
        assert!(story.cluster.reassignments().await.unwrap().contains_key(&of));
        let rate = Direction::Follower.rate().to_owned();
        let configs = story.configs().await;
        assert!(configs.contains_key(&(ConfigResource::Broker(broker(3)), rate)));
    }
    advance(Duration::from_secs(600)).await;
    ticks(&mut story, 130).await;
    assert_eq!(throttles(&story).await, 0);
}
