//! What the page needs of a view, bounded in size whatever the cluster's: pure.

use std::collections::{BTreeMap, HashMap};

use kafka::ids::BrokerId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::view::{
    BrokerView, FinishedPlan, HotBrokerView, HotPartitionView, MoveView, PartitionView, PlanStanding,
    PlanView, ResourceFigures, SourceView, State, View,
};
use crate::model::Resource;
use crate::plan::MoveKind;

/// So many hot brokers, hot partitions, problems and orders are listed at most, and so many ended plans.
const MOST_LISTED: usize = 20;
/// So many moves of the plan are listed at most.
const MOST_MOVES: usize = 50;
/// So many brokers that are not seen through a sidecar come with the reason.
const MOST_REASONS: usize = 50;
/// A sentence is cut after so many characters.
const LONGEST: usize = 400;

/// One event of `GET /v1/events`, named `view`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(super) struct Event {
    /// What every event has.
    #[serde(flatten)]
    pub(super) now: Now,
    /// All brokers; left out when they are as in this stream's event before.
    pub(super) brokers: Option<BrokerColumns>,
    /// Plans that have ended, the newest first, not all of them; left out when they are as in this stream's event before.
    pub(super) history: Option<Vec<FinishedPlan>>,
}

/// What every event has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(super) struct Now {
    /// As `GET /v1/state`, with the first of each list.
    pub(super) state: State,
    /// The hottest brokers.
    pub(super) hot_brokers: Vec<HotBrokerView>,
    /// Partitions of the hottest brokers.
    pub(super) hot_partitions: Vec<HotPartition>,
    /// The plan that is suggested, waits or is being executed.
    pub(super) plan: Option<PlanDigest>,
    /// How many things of each kind an event does not list.
    pub(super) left_out: LeftOut,
}

/// How many things of each kind an event does not list; `GET /v1/state` and `GET /v1/hot` have all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(super) struct LeftOut {
    pub(super) problems: usize,
    pub(super) replicating: usize,
    pub(super) draining: usize,
    pub(super) hot_brokers: usize,
    pub(super) hot_partitions: usize,
}

/// A hot partition with its rates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(super) struct HotPartition {
    /// As `GET /v1/hot`.
    #[serde(flatten)]
    pub(super) hot: HotPartitionView,
    /// The part of its broker's load that it is.
    pub(super) share: Option<f64>,
    /// Bytes per second from producers; none when it is not among the busiest partitions.
    pub(super) bytes_in: Option<f64>,
    /// Bytes per second that its leader sends.
    pub(super) bytes_out: Option<f64>,
}

/// A plan with totals and some of its moves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(super) struct PlanDigest {
    /// Its number; none when it is only suggested.
    pub(super) id: Option<u64>,
    /// Where it stands.
    pub(super) standing: PlanStanding,
    /// What it is for, such as `cool` or `drain 3`.
    pub(super) purpose: String,
    /// When it was made, in milliseconds since the Unix epoch; 0 when it is only suggested.
    pub(super) planned_at_ms: u64,
    /// Imbalance when it was made.
    pub(super) imbalance_before: ResourceFigures,
    /// Imbalance when all its moves are done.
    pub(super) imbalance_after: ResourceFigures,
    /// Bytes that its moves copy.
    pub(super) bytes: u64,
    /// Bytes copied so far.
    pub(super) bytes_done: u64,
    /// Bytes that are still to be copied by moves that are not over.
    pub(super) bytes_left: u64,
    /// No plan reaches the same balance with fewer bytes.
    pub(super) bytes_lower_bound: u64,
    /// How long the copies that are left take at least at the throttle that was foreseen, in seconds.
    pub(super) expected_seconds: f64,
    /// Moves that copy data.
    pub(super) copies: usize,
    /// Moves that change the leader only.
    pub(super) leadership_changes: usize,
    /// Moves that only take replicas away.
    pub(super) removals: usize,
    /// How many moves are in each state.
    pub(super) states: BTreeMap<String, usize>,
    /// Moves in the plan's order, not all of them: those in progress first, then those to come, then those that are over.
    pub(super) moves: Vec<MoveView>,
    /// The first things that it leaves unsolved, and why.
    pub(super) unsolved: Vec<String>,
    /// How many more there are.
    pub(super) unsolved_left_out: usize,
    /// Replication throttles in force.
    pub(super) throttle: Option<ThrottleRange>,
}

/// The rates of all throttles in force, in bytes per second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(super) struct ThrottleRange {
    /// On how many brokers.
    pub(super) brokers: usize,
    /// The least rate.
    pub(super) least: u64,
    /// The greatest rate.
    pub(super) greatest: u64,
}

/// All brokers, a column for each figure.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub(super) struct BrokerColumns {
    /// Their ids.
    #[schema(value_type = Vec<i32>)]
    pub(super) id: Vec<BrokerId>,
    /// Their racks.
    pub(super) rack: Words,
    /// `alive`, `new`, `draining` or `dead`.
    pub(super) state: Words,
    /// Where figures come from: `sidecar`, `protocol` or `unknown`.
    pub(super) source: Words,
    /// Why some have no report of a sidecar, by row.
    pub(super) reasons: BTreeMap<usize, String>,
    /// How many replicas each hosts.
    pub(super) replicas: Vec<usize>,
    /// How many of them lead.
    pub(super) leaders: Vec<usize>,
    /// Load / capacity of each resource, in thousandths.
    pub(super) utilisation: ByResource,
    /// Rows of the brokers that are hot in each resource.
    pub(super) hot: ByResource,
}

/// A column for each resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(super) struct ByResource {
    pub(super) bytes_in: Vec<u32>,
    pub(super) bytes_out: Vec<u32>,
    pub(super) cpu: Vec<u32>,
    pub(super) disk: Vec<u32>,
}

/// A column of words: the distinct ones, and for each row the place of its own, or none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(super) struct Words {
    pub(super) words: Vec<String>,
    pub(super) rows: Vec<Option<usize>>,
}

impl ByResource {
    fn from_fn(mut column: impl FnMut(Resource) -> Vec<u32>) -> Self {
        Self {
            bytes_in: column(Resource::BytesIn),
            bytes_out: column(Resource::BytesOut),
            cpu: column(Resource::Cpu),
            disk: column(Resource::Disk),
        }
    }
}

impl Words {
    fn of<'a>(rows: impl Iterator<Item = Option<&'a str>>) -> Self {
        let mut known: HashMap<&str, usize> = HashMap::new();
        let mut words = Vec::new();
        let rows = rows.map(|word| {
            word.map(|word| {
                *known.entry(word).or_insert_with(|| {
                    words.push(short(word));
                    words.len() - 1
                })
            })
        });
        let rows = rows.collect();
        Self { words, rows }
    }
}

/// What every event says of this view.
pub(super) fn now(view: &View) -> Now {
    let mut state = view.state.clone();
    let left_out = LeftOut {
        problems: cut(&mut state.problems, MOST_LISTED),
        replicating: cut(&mut state.replicating, MOST_LISTED),
        draining: cut(&mut state.draining, MOST_LISTED),
        hot_brokers: view.hot.brokers.len().saturating_sub(MOST_LISTED),
        hot_partitions: view.hot.partitions.len().saturating_sub(MOST_LISTED),
    };
    for problem in &mut state.problems {
        *problem = short(problem);
    }
    Now {
        state,
        hot_brokers: view.hot.brokers.iter().take(MOST_LISTED).cloned().collect(),
        hot_partitions: hot_partitions(view),
        plan: view.plan.as_ref().map(plan),
        left_out,
    }
}

fn hot_partitions(view: &View) -> Vec<HotPartition> {
    let listed = &view.hot.partitions[..view.hot.partitions.len().min(MOST_LISTED)];
    let mut rates: Vec<Option<&PartitionView>> = vec![None; listed.len()];
    for row in &view.partitions {
        let same = |hot: &HotPartitionView| (&hot.topic, hot.partition) == (&row.topic, row.partition);
        if let Some(place) = listed.iter().position(same) {
            rates[place] = Some(row);
        }
    }
    let share = |hot: &HotPartitionView| {
        let broker = view.brokers.iter().find(|broker| broker.id == hot.broker)?;
        let carried = broker.load.of(hot.resource);
        (carried > 0.0).then(|| hot.load / carried)
    };
    let with_rates = |(hot, rates): (&HotPartitionView, &Option<&PartitionView>)| HotPartition {
        hot: hot.clone(),
        share: share(hot),
        bytes_in: rates.map(|row| row.bytes_in),
        bytes_out: rates.map(|row| row.bytes_out),
    };
    listed.iter().zip(&rates).map(with_rates).collect()
}

fn plan(plan: &PlanView) -> PlanDigest {
    let mut states: BTreeMap<String, usize> = BTreeMap::new();
    for change in &plan.moves {
        *states.entry(change.state.clone()).or_default() += 1;
    }
    let kind = |change: &MoveView| MoveKind::of(&change.from, &change.to);
    let count = |wanted: MoveKind| plan.moves.iter().filter(|change| kind(change) == wanted).count();
    let mut unsolved = plan.unsolved.clone();
    let unsolved_left_out = cut(&mut unsolved, MOST_LISTED);
    PlanDigest {
        id: plan.id,
        standing: plan.standing,
        purpose: short(&plan.purpose),
        planned_at_ms: plan.planned_at_ms,
        imbalance_before: plan.imbalance_before,
        imbalance_after: plan.imbalance_after,
        bytes: plan.bytes,
        bytes_done: plan.moves.iter().map(|change| change.bytes_done).sum(),
        bytes_left: unfinished(&plan.moves)
            .map(|change| change.bytes.saturating_sub(change.bytes_done))
            .sum(),
        bytes_lower_bound: plan.bytes_lower_bound,
        expected_seconds: seconds_left(&plan.moves),
        copies: count(MoveKind::Copy),
        leadership_changes: count(MoveKind::Leadership),
        removals: count(MoveKind::Removal),
        states,
        moves: listed(&plan.moves),
        unsolved: unsolved.iter().map(|line| short(line)).collect(),
        unsolved_left_out,
        throttle: throttle(plan),
    }
}

/// The moves that matter most now, in the plan's order.
fn listed(moves: &[MoveView]) -> Vec<MoveView> {
    let rank = |change: &MoveView| match change.state.as_str() {
        "in_progress" | "reverting" => (0, 0),
        "pending" => (1, 0),
        // The latest first.
        _ => (2, u64::MAX - change.ended_at_ms.unwrap_or(0)),
    };
    let mut places: Vec<usize> = (0..moves.len()).collect();
    places.sort_by_key(|&place| (rank(&moves[place]), place));
    places.truncate(MOST_MOVES);
    places.sort_unstable();
    let with_short_reason = |place: usize| MoveView {
        reason: short(&moves[place].reason),
        ..moves[place].clone()
    };
    places.into_iter().map(with_short_reason).collect()
}

fn unfinished(moves: &[MoveView]) -> impl Iterator<Item = &MoveView> {
    moves.iter().filter(|change| change.ended_at_ms.is_none())
}

/// The time of the broker that has most to send or to receive, of copies that are not over.
fn seconds_left(moves: &[MoveView]) -> f64 {
    let mut burden: HashMap<(BrokerId, bool), f64> = HashMap::new();
    for change in unfinished(moves).filter(|change| change.bytes > 0) {
        let part = 1.0 - change.bytes_done as f64 / change.bytes as f64;
        let seconds = change.expected_seconds * part;
        let adding: Vec<BrokerId> = change
            .to
            .iter()
            .copied()
            .filter(|id| !change.from.contains(id))
            .collect();
        for broker in &adding {
            *burden.entry((*broker, true)).or_default() += seconds / adding.len() as f64;
        }
        if let Some(leader) = change.from.first() {
            *burden.entry((*leader, false)).or_default() += seconds;
        }
    }
    burden.into_values().fold(0.0, f64::max)
}

fn throttle(plan: &PlanView) -> Option<ThrottleRange> {
    let rates = || {
        let each = plan.throttles.iter();
        each.flat_map(|throttle| throttle.leader_rate.into_iter().chain(throttle.follower_rate))
    };
    Some(ThrottleRange {
        brokers: plan.throttles.len(),
        least: rates().min()?,
        greatest: rates().max()?,
    })
}

/// All brokers in columns.
pub(super) fn brokers(rows: &[BrokerView]) -> BrokerColumns {
    let reason = |(row, broker): (usize, &BrokerView)| match &broker.source {
        SourceView::Sidecar { .. } => None,
        SourceView::Protocol { reason } | SourceView::Unknown { reason } => Some((row, short(reason))),
    };
    let hot_in = |r: Resource| {
        let hot = (0_u32..).zip(rows).filter(|(_, broker)| broker.hot.contains(&r));
        hot.map(|(row, _)| row).collect()
    };
    BrokerColumns {
        id: rows.iter().map(|broker| broker.id).collect(),
        rack: Words::of(rows.iter().map(|broker| broker.rack.as_deref())),
        state: Words::of(rows.iter().map(|broker| Some(broker.state.as_str()))),
        source: Words::of(rows.iter().map(|broker| Some(broker.source.name()))),
        reasons: rows
            .iter()
            .enumerate()
            .filter_map(reason)
            .take(MOST_REASONS)
            .collect(),
        replicas: rows.iter().map(|broker| broker.replicas).collect(),
        leaders: rows.iter().map(|broker| broker.leaders).collect(),
        utilisation: ByResource::from_fn(|r| {
            // A cast saturates, and is 0 for what is no number.
            rows.iter()
                .map(|broker| (broker.utilisation.of(r) * 1e3).round() as u32)
                .collect()
        }),
        hot: ByResource::from_fn(hot_in),
    }
}

/// The newest plans that have ended.
pub(super) fn history(plans: &[FinishedPlan]) -> Vec<FinishedPlan> {
    let with_short_purpose = |plan: &FinishedPlan| FinishedPlan {
        purpose: short(&plan.purpose),
        ..plan.clone()
    };
    plans.iter().take(MOST_LISTED).map(with_short_purpose).collect()
}

/// Keeps the first `most`, and tells how many there were more.
fn cut<T>(list: &mut Vec<T>, most: usize) -> usize {
    let more = list.len().saturating_sub(most);
    list.truncate(most);
    more
}

fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
