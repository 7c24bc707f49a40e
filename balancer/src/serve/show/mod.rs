//! From what the loop knows to what the API shows: pure.

mod heat;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka::TopicName;

use crate::api::view::{
    BrokerView, FinishedPlan, HotList, MaintenanceView, MoveView, PartitionView, PlanStanding, PlanView,
    ReplicationView, ResourceFigures, SourceView, State, ThrottleView, View,
};
use crate::config::HeatSettings;
use crate::detect::Detection;
use crate::execute::{Limits, MoveStatus, PlanStatus, Status, Throttles};
use crate::journal::{self, Direction, MoveState, Outcome, PlanId, Replication, Timestamp};
use crate::model::{BrokerIndex, BrokerState, Model, PartitionIndex, PerResource};
use crate::observe::{BrokerSource, Observation};
use crate::plan::{Imbalance, Move, MoveKind, Plan};
use words::purpose_name;
pub(super) use words::{broker_list, first_of, mode_name, outcome_name, topic_list};

/// Partitions that the API lists at most.
const MAX_PARTITIONS: usize = 10_000;

/// Everything that is shown.
pub(super) struct Picture<'a> {
    pub(super) observation: &'a Observation,
    /// The model under the fast rates.
    pub(super) current: &'a Model,
    pub(super) detection: &'a Detection,
    pub(super) heat: &'a HeatSettings,
    pub(super) status: Option<&'a Status>,
    pub(super) suggestion: Option<&'a Plan>,
    pub(super) limits: &'a Limits,
    pub(super) fenced: bool,
    pub(super) now_ms: u64,
    pub(super) took: Duration,
    pub(super) problems: Vec<String>,
}

/// What is shown while the cluster has never been seen.
pub(super) fn blind(before: &View, problems: Vec<String>) -> View {
    let state = State {
        version: version(),
        problems,
        ..before.state.clone()
    };
    View {
        state,
        ..before.clone()
    }
}

/// What is shown of a cluster that has been seen.
pub(super) fn view(picture: &Picture<'_>) -> View {
    let hot = heat::hot_list(picture);
    let plan = match picture.status.and_then(plan_of) {
        Some(plan) => Some(plan),
        None => picture.suggestion.map(suggested),
    };
    View {
        state: state(picture, &hot, plan.as_ref()),
        brokers: brokers(picture),
        partitions: partitions(picture.current),
        hot,
        plan,
        history: picture.status.map(history).unwrap_or_default(),
    }
}

/// What was shown before with the plan as it stands now.
pub(super) fn progress(before: &View, status: &Status) -> View {
    let plan = plan_of(status);
    let state = State {
        phase: phase(false, plan.as_ref()),
        ..before.state.clone()
    };
    View {
        state,
        plan,
        history: history(status),
        ..before.clone()
    }
}

/// The plan that there is, as far as it is known; without its head it only says that an older plan is being ended.
fn plan_of(status: &Status) -> Option<PlanView> {
    plan_view(status.plan.as_ref()?, &status.throttles)
}

fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

fn state(picture: &Picture<'_>, hot: &HotList, plan: Option<&PlanView>) -> State {
    let model = picture.current;
    let mean = model.mean_utilisation();
    let heat = picture.heat.detect();
    State {
        version: version(),
        cluster_id: picture.observation.description.cluster_id.clone(),
        mode: picture.status.map(|status| status.mode).unwrap_or_default(),
        phase: phase(picture.fenced, plan),
        ticked_at_ms: picture.now_ms,
        tick_ms: u64::try_from(picture.took.as_millis()).unwrap_or(u64::MAX),
        brokers: picture.observation.description.brokers.len(),
        partitions: model.partitions().len(),
        imbalance: model.imbalance().into(),
        mean: mean.into(),
        hot_above: PerResource::from_fn(|r| heat.limit(r, mean[r])).into(),
        worst_imbalance: model.worst_imbalance(&picture.heat.floor),
        hot_brokers: hot
            .brokers
            .iter()
            .map(|hot| hot.broker)
            .collect::<BTreeSet<_>>()
            .len(),
        hot_partitions: hot.partitions.len(),
        draining: picture
            .status
            .iter()
            .flat_map(|status| status.drains.keys().copied())
            .collect(),
        replicating: picture
            .status
            .map(|status| replicating(model, status))
            .unwrap_or_default(),
        maintenance: maintenance(picture.limits, Timestamp(picture.now_ms)),
        problems: picture.problems.clone(),
    }
}

fn replicating(model: &Model, status: &Status) -> Vec<ReplicationView> {
    let orders = status.replications.iter();
    let view = |(name, order): (&TopicName, &Replication)| {
        let wanted = order.replicas.get();
        let partitions = model.find_topic(name).map(|topic| model.partitions_of(topic));
        let differs = |row: &PartitionIndex| model.replicas(*row).len() != wanted;
        ReplicationView {
            topic: name.clone(),
            replicas: order.replicas,
            partitions_left: partitions.into_iter().flatten().filter(differs).count(),
            asked_at_ms: order.asked_at.0,
        }
    };
    orders.map(view).collect()
}

fn maintenance(limits: &Limits, now: Timestamp) -> Option<MaintenanceView> {
    let windows = limits.windows.shown();
    (!windows.is_empty()).then(|| MaintenanceView {
        windows,
        leadership_anytime: limits.leadership_anytime,
        next_opening_ms: limits.windows.next_opening(now).map(|opens| opens.0),
    })
}

fn phase(fenced: bool, plan: Option<&PlanView>) -> crate::api::view::Phase {
    use crate::api::view::Phase;
    if fenced {
        return Phase::Fenced;
    }
    match plan.map(|plan| plan.standing) {
        None | Some(PlanStanding::Suggested) => Phase::Watching,
        Some(PlanStanding::Waiting) => Phase::Waiting,
        Some(PlanStanding::Executing) => Phase::Executing,
        Some(PlanStanding::Paused) => Phase::Paused,
        Some(PlanStanding::Stopping) => Phase::Stopping,
    }
}

fn brokers(picture: &Picture<'_>) -> Vec<BrokerView> {
    let model = picture.current;
    let mut replicas = vec![0; model.brokers().len()];
    let mut leaders = vec![0; model.brokers().len()];
    for partition in model.partitions() {
        for broker in model.replicas(partition) {
            replicas[broker.get()] += 1;
        }
        if let Some(leader) = model.leader(partition) {
            leaders[leader.get()] += 1;
        }
    }
    let mut views: Vec<BrokerView> = model
        .brokers()
        .map(|row| broker_view(picture, row, replicas[row.get()], leaders[row.get()]))
        .collect();
    views.sort_by_key(|view| view.id);
    views
}

fn broker_view(picture: &Picture<'_>, row: BrokerIndex, replicas: usize, leaders: usize) -> BrokerView {
    let model = picture.current;
    let broker = model.broker(row);
    let hot = picture
        .detection
        .brokers
        .iter()
        .filter(|hot| hot.broker == broker.id);
    let now = picture.now_ms;
    BrokerView {
        id: broker.id,
        rack: broker.rack.as_deref().map(str::to_owned),
        state: state_name(broker.state).to_owned(),
        replicas,
        leaders,
        load: (*model.broker_load(row)).into(),
        capacity: broker.capacity.into(),
        utilisation: model.utilisation(row).into(),
        hot: hot.map(|hot| hot.resource).collect(),
        source: match picture.observation.sight.sources.get(&broker.id) {
            Some(BrokerSource::Sidecar { sampled_at_ms }) => SourceView::Sidecar {
                age_ms: now.saturating_sub(*sampled_at_ms),
            },
            Some(BrokerSource::Protocol { reason }) => SourceView::Protocol {
                reason: reason.clone(),
            },
            Some(BrokerSource::Unknown { reason }) => SourceView::Unknown {
                reason: reason.clone(),
            },
            None => SourceView::Unknown {
                reason: "the broker is not alive".to_owned(),
            },
        },
    }
}

fn state_name(state: BrokerState) -> &'static str {
    match state {
        BrokerState::Alive => "alive",
        BrokerState::New => "new",
        BrokerState::Draining => "draining",
        BrokerState::Dead => "dead",
    }
}

fn partitions(model: &Model) -> Vec<PartitionView> {
    let traffic = |row: PartitionIndex| model.load(row).bytes_in + model.load(row).bytes_out;
    let mut rows: Vec<PartitionIndex> = model.partitions().collect();
    let busiest_first =
        |a: &PartitionIndex, b: &PartitionIndex| traffic(*b).total_cmp(&traffic(*a)).then(a.cmp(b));
    if rows.len() > MAX_PARTITIONS {
        rows.select_nth_unstable_by(MAX_PARTITIONS, busiest_first);
        rows.truncate(MAX_PARTITIONS);
    }
    rows.sort_unstable_by(busiest_first);
    let id = |row: BrokerIndex| model.broker(row).id;
    rows.into_iter()
        .map(|row| PartitionView {
            topic: model.topic(model.topic_of(row)).name.clone(),
            partition: model.number(row),
            leader: model.leader(row).map(id),
            replicas: model.replicas(row).iter().map(|&broker| id(broker)).collect(),
            bytes_in: model.load(row).bytes_in,
            bytes_out: model.load(row).bytes_out,
            disk: model.load(row).disk,
        })
        .collect()
}

fn plan_view(plan: &PlanStatus, throttles: &Throttles) -> Option<PlanView> {
    let head = plan.head.as_ref()?;
    Some(PlanView {
        id: Some(plan.id.0),
        standing: match plan.phase {
            journal::Phase::Proposed => PlanStanding::Waiting,
            journal::Phase::Running => PlanStanding::Executing,
            journal::Phase::Paused => PlanStanding::Paused,
            journal::Phase::Stopping(_) => PlanStanding::Stopping,
        },
        purpose: purpose_name(&head.purpose),
        planned_at_ms: head.created_at.0,
        imbalance_before: figures(&head.imbalance_before),
        imbalance_after: figures(&head.imbalance_after),
        bytes: head.bytes,
        bytes_lower_bound: head.bytes_lower_bound,
        moves: plan.moves.iter().map(move_view).collect(),
        unsolved: head.unsolved.clone(),
        throttles: throttle_views(throttles),
    })
}

fn suggested(plan: &Plan) -> PlanView {
    PlanView {
        id: None,
        standing: PlanStanding::Suggested,
        purpose: purpose_name(&plan.purpose),
        planned_at_ms: 0,
        imbalance_before: figures(&plan.imbalance_before),
        imbalance_after: figures(&plan.imbalance_after),
        bytes: plan.bytes,
        bytes_lower_bound: plan.bytes_lower_bound,
        moves: plan.moves.iter().map(planned_move).collect(),
        unsolved: plan.unsolved.clone(),
        throttles: Vec::new(),
    }
}

fn planned_move(change: &Move) -> MoveView {
    MoveView {
        topic: change.partition.topic.clone(),
        partition: change.partition.partition,
        from: change.from.clone(),
        to: change.to.clone(),
        leadership_only: change.is_leadership_only(),
        reason: change.reason.clone(),
        bytes: change.bytes,
        bytes_done: 0,
        expected_seconds: change.expected_seconds,
        state: "pending".to_owned(),
        submitted_at_ms: None,
        ended_at_ms: None,
    }
}

fn move_view(status: &MoveStatus) -> MoveView {
    let change = &status.progress.change;
    let (state, ended) = match &status.progress.state {
        MoveState::Waiting => ("pending".to_owned(), None),
        MoveState::Asked { .. } | MoveState::Copying { .. } | MoveState::Electing { .. } => {
            ("in_progress".to_owned(), None)
        }
        MoveState::Reverting { .. } => ("reverting".to_owned(), None),
        MoveState::Ended { at, outcome } => (outcome_name(outcome), Some(at.0)),
    };
    let copied_all = matches!(
        &status.progress.state,
        MoveState::Electing { .. }
            | MoveState::Ended {
                outcome: Outcome::Done,
                ..
            }
    );
    let copied = if copied_all {
        change.bytes
    } else {
        status.copied.unwrap_or(0).min(change.bytes)
    };
    MoveView {
        bytes_done: copied,
        state,
        submitted_at_ms: status.progress.asked_at.map(|at| at.0),
        ended_at_ms: ended,
        ..planned_move(change)
    }
}

fn throttle_views(throttles: &Throttles) -> Vec<ThrottleView> {
    let mut views: BTreeMap<_, ThrottleView> = BTreeMap::new();
    for rate in &throttles.rates {
        let view = views.entry(rate.broker).or_insert(ThrottleView {
            broker: rate.broker,
            leader_rate: None,
            follower_rate: None,
        });
        match rate.direction {
            Direction::Leader => view.leader_rate = rate.rate,
            Direction::Follower => view.follower_rate = rate.rate,
        }
    }
    views.into_values().collect()
}

fn history(status: &Status) -> Vec<FinishedPlan> {
    status
        .history
        .iter()
        .map(|(id, plan)| finished(*id, plan))
        .collect()
}

fn finished(id: PlanId, plan: &journal::FinishedPlan) -> FinishedPlan {
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    let (mut bytes, mut leadership_changes, mut replica_moves, mut removals) = (0, 0, 0, 0);
    for ended in &plan.moves {
        *outcomes.entry(outcome_name(&ended.outcome)).or_default() += 1;
        if ended.outcome == Outcome::Done {
            bytes += ended.bytes;
            let count = match MoveKind::of(&ended.from, &ended.to) {
                MoveKind::Copy => &mut replica_moves,
                MoveKind::Removal => &mut removals,
                MoveKind::Leadership => &mut leadership_changes,
            };
            *count += 1;
        }
    }
    FinishedPlan {
        id: id.0,
        purpose: purpose_name(&plan.head.purpose),
        planned_at_ms: plan.head.created_at.0,
        ended_at_ms: plan.finished_at.0,
        imbalance_before: figures(&plan.head.imbalance_before),
        imbalance_foreseen: figures(&plan.head.imbalance_after),
        imbalance_measured: plan.measured.as_ref().map(figures),
        moves_done: plan.done,
        moves: plan.total,
        bytes,
        bytes_lower_bound: plan.head.bytes_lower_bound,
        leadership_changes,
        replica_moves,
        removals,
        outcomes,
    }
}

fn figures(imbalance: &Imbalance) -> ResourceFigures {
    let Imbalance {
        bytes_in,
        bytes_out,
        cpu,
        disk,
    } = *imbalance;
    ResourceFigures {
        bytes_in,
        bytes_out,
        cpu,
        disk,
    }
}
