//! The balancer is killed at every kind of step of a plan, before Kafka gets the request and after it has answered.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use e2e::Layout;
use e2e::scene::{Outcome, Row, Scene};
use e2e::tap::{Kind, Point, Request, Side};
use kafka::cluster::{ConfigChange, ConfigResource};
use tokio::time::{Instant, sleep};

use crate::matrix::{self, say};
use crate::stage::{all_in_sync, layout, sampler, tap, through_the_tap};

/// Set for a run that kills at every single step.
const EVERY_STEP: &str = "CHAOS_EVERY_STEP";

const POLL: Duration = Duration::from_millis(50);
/// How long one plan may take.
const WITHIN: Duration = Duration::from_secs(120);
/// How long a balancer that is ready may take for the next right thing.
const SOON: Duration = Duration::from_secs(10);
/// How long it looks at what it has changed last, before it believes that nothing is left.
const LOOKS: Duration = Duration::from_secs(10);

const ROWS: [Row<'_>; 3] = [
    ("steps", &[0, 1, 2], 20e3),
    ("steps", &[0, 1, 2], 20e3),
    ("theirs", &[1, 2, 3], 5e3),
];

#[tokio::test]
async fn a_balancer_killed_at_any_step_leaves_a_plan_that_the_next_one_finishes() -> Outcome {
    kill_at_steps(Layout::default(), "steps", |sequence| {
        match std::env::var_os(EVERY_STEP) {
            Some(_) => every_step(sequence),
            None => every_transition(sequence),
        }
    })
    .await
}

#[tokio::test]
async fn a_balancer_killed_at_any_kind_of_step_is_continued_in_zookeeper_mode_too() -> Outcome {
    kill_at_steps(Layout::with_zookeeper(), "steps-zk", every_kind).await
}

async fn kill_at_steps(
    base: Layout,
    name: &'static str,
    choose: impl Fn(&[Request]) -> Vec<Point>,
) -> Outcome {
    let version = matrix::version(&base);
    let mut scene = Scene::set_on(layout(base)?, name, &ROWS).await?;
    scene.operator_sets(&operators_throttles()?).await?;
    let sampler = sampler(&scene)?;
    let undisturbed = make_a_plan(&mut scene, true, None).await?;
    assert_eq!(undisturbed.outcomes, BTreeMap::from([("done".to_owned(), 2)]));
    let kinds: Vec<_> = undisturbed.requests.iter().map(|request| request.kind).collect();
    say(&format!("{} steps undisturbed: {kinds:?}", kinds.len()))?;

    let points = choose(&undisturbed.requests);
    let mut left: VecDeque<Point> = points.iter().copied().collect();
    let mut count = 0;
    let mut reached = BTreeSet::new();
    let mut rows: BTreeMap<(Kind, Side), matrix::Row> = BTreeMap::new();
    while let Some(point) = left.pop_front() {
        count += 1;
        let made = make_a_plan(&mut scene, count % 2 == 0, Some(point)).await?;
        let Some(recovery) = made.recovery else {
            say(&format!("{point:?} was not reached this time"))?;
            // How often brokers are asked again depends on when they hear of things; each kind comes once at least.
            if point.nth > 1 {
                left.push_back(Point { nth: 1, ..point });
            }
            continue;
        };
        say(&format!(
            "{:?} {:?} {}: ready {:.2} s after the restart, the next right thing {:.2} s after that; {:?}",
            point.side,
            point.kind,
            point.nth,
            recovery.ready.as_secs_f64(),
            recovery.acted.as_secs_f64(),
            made.outcomes,
        ))?;
        let allowed = if recovery.is_over { SOON + LOOKS } else { SOON };
        assert!(recovery.acted <= allowed, "{recovery:?}");
        assert_eq!(
            made.outcomes,
            BTreeMap::from([("done".to_owned(), 2)]),
            "{point:?}"
        );
        reached.insert((point.kind, point.side));
        count_in(&mut rows, &version, point, &recovery, made.outcomes);
    }
    let wanted: BTreeSet<_> = points.iter().map(|point| (point.kind, point.side)).collect();
    assert_eq!(reached, wanted, "some kind of step was never reached");
    all_in_sync(&sampler);
    for row in rows.into_values() {
        matrix::record(row)?;
    }
    scene.operator_sets(&without(operators_throttles()?)).await?;
    scene.end().await
}

/// Adds what came of one point to the row of its kind and side.
fn count_in(
    rows: &mut BTreeMap<(Kind, Side), matrix::Row>,
    version: &str,
    point: Point,
    recovery: &Recovery,
    outcomes: BTreeMap<String, usize>,
) {
    let row = rows
        .entry((point.kind, point.side))
        .or_insert_with(|| matrix::Row {
            fault: format!("balancer killed {:?} {:?}", point.side, point.kind),
            kafka: version.to_owned(),
            points: 0,
            outcomes: BTreeMap::new(),
            leftovers: 0,
            recovery_seconds_max: 0.0,
        });
    row.points += 1;
    row.recovery_seconds_max = row.recovery_seconds_max.max(recovery.acted.as_secs_f64());
    for (outcome, moves) in outcomes {
        *row.outcomes.entry(outcome).or_default() += moves;
    }
}

/// How a plan was made.
struct Made {
    outcomes: BTreeMap<String, usize>,
    requests: Vec<Request>,
    recovery: Option<Recovery>,
}

#[derive(Debug)]
struct Recovery {
    /// From the restart to readiness.
    ready: Duration,
    /// From readiness to the next change in the cluster, or to the end if there was nothing left to change.
    acted: Duration,
    /// Whether nothing was left to change.
    is_over: bool,
}

/// Has a balancer copy one partition there or back and change the leader of another, killing it at a point if there is
/// one, and returns when the plan is over and nothing is left of it.
async fn make_a_plan(scene: &mut Scene, there: bool, point: Option<Point>) -> Outcome<Made> {
    let (copied, led): (&[i32], &[i32]) = match there {
        true => (&[3, 1, 2], &[1, 0, 2]),
        false => (&[0, 1, 2], &[0, 1, 2]),
    };
    let moves = vec![
        scene.a_move("steps", 0, copied, 1_000_000).await?,
        scene.a_move("steps", 1, led, 0).await?,
    ];
    let tap = tap()?;
    let connection = through_the_tap(scene)?;
    let plan = scene.write_plan(moves).await?;
    match point {
        Some(point) => tap.strike_at(point),
        None => tap.watch(),
    }
    let balancer = scene.balance_alone(|config| config.kafka = connection)?;
    tap.aim(balancer.process.pid())?;
    let deadline = Instant::now() + WITHIN;
    let mut restarted: Option<(Instant, Duration)> = None;
    loop {
        if restarted.is_none() && tap.struck().is_some() {
            let balancer = scene.balancer_mut()?;
            balancer.process.ended().await;
            let start = Instant::now();
            balancer.process.restart().await?;
            balancer.ready().await?;
            restarted = Some((start, start.elapsed()));
        }
        if let Some(outcomes) = outcomes(scene, plan.0).await
            && (point.is_none() || restarted.is_some() || tap.struck().is_none())
            && scene.is_clean().await?
        {
            let requests = tap.seen();
            let recovery = restarted.map(|(start, ready)| recovery(start, ready, &requests));
            scene.stack.take();
            return Ok(Made {
                outcomes,
                requests,
                recovery,
            });
        }
        if Instant::now() > deadline {
            scene
                .until("the plan is over and nothing is left", async |_| Ok(false))
                .await?;
        }
        sleep(POLL).await;
    }
}

/// How the plan ended, once it has and the balancer says so.
async fn outcomes(scene: &Scene, plan: u64) -> Option<BTreeMap<String, usize>> {
    let history = scene.history().await.ok()?;
    let finished = history.into_iter().find(|finished| finished.id == plan)?;
    Some(finished.outcomes)
}

fn recovery(start: Instant, ready: Duration, requests: &[Request]) -> Recovery {
    let next = requests
        .iter()
        .filter(|request| request.kind.changes_cluster())
        .map(|request| Instant::from_std(request.at))
        .find(|at| *at >= start);
    let acted = match next {
        Some(at) => at - start,
        None => start.elapsed(),
    };
    Recovery {
        ready,
        acted: acted.saturating_sub(ready),
        is_over: next.is_none(),
    }
}

/// Both sides of every step.
fn every_step(sequence: &[Request]) -> Vec<Point> {
    sequence.iter().flat_map(both).collect()
}

/// The first step of each kind between any two kinds of changes: after each, and before those that change the cluster
/// and the first of its kind. Before one step and after the one before it Kafka is in the same state.
fn every_transition(sequence: &[Request]) -> Vec<Point> {
    let mut known = BTreeSet::new();
    let mut points = Vec::new();
    for (index, request) in sequence.iter().enumerate() {
        let changes = |part: &[Request]| -> Vec<Kind> {
            let kinds = part.iter().map(|request| request.kind);
            kinds.filter(|kind| kind.changes_cluster()).collect()
        };
        let last = changes(&sequence[..index]).pop();
        let next = changes(&sequence[index + 1..]).first().copied();
        if !known.insert((last, request.kind, next)) {
            continue;
        }
        let [before, after] = both(request);
        if request.kind.changes_cluster() || request.nth == 1 {
            points.push(before);
        }
        points.push(after);
    }
    points
}

/// Both sides of one step of each kind, from the middle.
fn every_kind(sequence: &[Request]) -> Vec<Point> {
    let mut by_kind: BTreeMap<Kind, Vec<&Request>> = BTreeMap::new();
    for request in sequence {
        by_kind.entry(request.kind).or_default().push(request);
    }
    let middle = by_kind.values().map(|of_kind| of_kind[of_kind.len() / 2]);
    middle.flat_map(both).collect()
}

fn both(request: &Request) -> [Point; 2] {
    [Side::Before, Side::After].map(|side| Point {
        kind: request.kind,
        nth: request.nth,
        side,
    })
}

/// A rate that throttles nothing, which the balancer may replace for a while, and a throttle in use on another topic.
fn operators_throttles() -> Outcome<Vec<(ConfigResource, Vec<ConfigChange>)>> {
    let set = |name: &str, value: &str| {
        vec![ConfigChange::Set {
            name: name.to_owned(),
            value: value.to_owned(),
        }]
    };
    Ok(vec![
        (
            ConfigResource::Broker(0.try_into()?),
            set("leader.replication.throttled.rate", "123456789"),
        ),
        (
            ConfigResource::Broker(1.try_into()?),
            set("leader.replication.throttled.rate", "50000000"),
        ),
        (
            ConfigResource::Topic("theirs".parse()?),
            set("leader.replication.throttled.replicas", "0:1"),
        ),
    ])
}

fn without(changes: Vec<(ConfigResource, Vec<ConfigChange>)>) -> Vec<(ConfigResource, Vec<ConfigChange>)> {
    let deleted = |change: ConfigChange| match change {
        ConfigChange::Set { name, .. }
        | ConfigChange::Delete { name }
        | ConfigChange::Append { name, .. }
        | ConfigChange::Subtract { name, .. } => ConfigChange::Delete { name },
    };
    let all = changes.into_iter();
    all.map(|(of, changes)| (of, changes.into_iter().map(deleted).collect()))
        .collect()
}
