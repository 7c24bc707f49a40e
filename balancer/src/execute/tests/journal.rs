//! What executing leaves in the journal, plan after plan.

use std::time::Duration;

use kafka::Cluster;
use tokio::time::advance;

use super::bench::{Bench, NOW};
use super::story::Story;
use super::{a_move, a_plan, brokers, partition};
use crate::execute::Guidance;
use crate::journal::{CoolDown, Record, Timestamp};
use crate::plan::Plan;

/// Bytes of the records that a log cleaner would keep.
fn live(story: &Story) -> usize {
    let entries = story.log.entries();
    let sizes = entries
        .iter()
        .filter_map(|entry| Some(entry.key.len() + entry.value.as_ref()?.len()));
    sizes.sum()
}

/// Moves of a topic that is not there, so that all of them end in the next tick.
fn in_vain(moves: i32) -> Plan {
    let each = |number| {
        let of = partition("a-topic-with-quite-a-long-name-that-is-not-there", number);
        a_move(
            of,
            [1; 16],
            &brokers(&[0, 1, 2]),
            &brokers(&[3, 1, 2]),
            1_000_000_000,
        )
    };
    a_plan((0..moves).map(each).collect())
}

async fn execute(story: &mut Story, plan: Plan) -> usize {
    story.executor.start(plan, story.now()).await.unwrap();
    let largest = live(story);
    story.tick(&Guidance::default()).await;
    assert!(!story.executor.is_busy());
    largest
}

#[tokio::test(start_paused = true)]
async fn the_largest_plan_takes_a_few_megabytes_and_gives_them_back() {
    let mut story = Story::with_brokers(4).await;
    let largest = execute(&mut story, in_vain(10_000)).await;
    assert!((1_000_000..25_000_000).contains(&largest), "{largest}");
    assert!(live(&story) < 750_000, "{}", live(&story));
}

#[test]
fn of_more_cool_downs_than_the_journal_is_to_hold_the_oldest_are_forgotten() {
    let mut bench = Bench::moving(&[]);
    for number in 0..20_002 {
        let cool = CoolDown {
            throttled: Vec::new(),
            since: Timestamp(NOW.0 - u64::try_from(number).unwrap()),
            left: Vec::new(),
        };
        bench
            .state
            .apply(Record::CoolDown(partition("u", number), Some(cool)));
    }
    let steps = bench.decide();
    let records = steps.into_iter().flat_map(|step| step.intent);
    let forgotten: Vec<_> = records
        .filter(|record| matches!(record, Record::CoolDown(..)))
        .collect();
    let oldest = [20_001, 20_000].map(|number| Record::CoolDown(partition("u", number), None));
    assert_eq!(forgotten, oldest);
}

#[tokio::test(start_paused = true)]
async fn the_journal_stops_growing_however_many_plans_there_are() {
    let mut story = Story::with_brokers(4).await;
    story.topic("t", &[brokers(&[0, 1, 2])], 2).await;
    let mut sizes = Vec::new();
    for round in 0..120 {
        execute(&mut story, in_vain(20)).await;
        let leader = [[1, 0, 2], [0, 1, 2]][round % 2];
        let planned = story.plan_move(&partition("t", 0), &brokers(&leader), 0).await;
        execute(&mut story, a_plan(vec![planned])).await;
        sizes.push(live(&story));
        // The next one finds the partition cooled down.
        advance(Duration::from_secs(1000)).await;
    }
    let done = story.executor.status().history;
    assert_eq!(done.len(), 50);
    assert_eq!(done[0].1.done, 1);
    assert!(story.executor.cooling_down(story.now()).len() <= 1);
    let (settled, last) = (sizes[40], sizes[119]);
    assert!(last < settled + settled / 10, "{settled} grew to {last}");
    assert!(story.cluster.reassignments().await.unwrap().is_empty());
}
