//! From a placement to a plan: ordered moves with reasons, figures and what stays unsolved.

use std::collections::HashMap;

use kafka::ids::BrokerId;

use super::ledger::{Ledger, Part};
use super::oversized::Oversized;
use super::placement::Placement;
use super::portfolio::Found;
use super::{Imbalance, Move, Plan, PlanRequest, PlanSettings, bound};
use crate::model::{BrokerIndex, Model, PartitionIndex, PerResource, Resource};

/// So many sentences about one kind of unsolved matter are enough.
pub(super) const SENTENCES: usize = 20;

/// A broker this far beyond its limit, in parts of the mean, is worth a sentence.
const TELLING: f64 = 0.001;

/// What is said of a plan that was cut.
pub(super) const CUT: &str = "the plan was cut at the most moves or bytes that are allowed";

/// What keeps a partition where it is that has a leader and is immovable.
pub(super) const IMMOVABLE: &str = "somebody else is reassigning it, or no sidecar has told its size yet";

/// One partition's change, in rows.
pub(super) struct Change {
    pub(super) partition: PartitionIndex,
    /// The leader first.
    pub(super) to: Vec<BrokerIndex>,
    pub(super) leader: BrokerIndex,
    pub(super) bytes: u64,
    pub(super) gain: f64,
    /// Why, where it is not for what it takes off brokers.
    pub(super) reason: Option<String>,
}

impl Change {
    /// A partition's way to these replicas, of which the first is to lead.
    pub(super) fn new(
        model: &Model,
        partition: PartitionIndex,
        leader: BrokerIndex,
        to: Vec<BrokerIndex>,
    ) -> Self {
        let before = model.replicas(partition);
        let added = to.iter().filter(|broker| !before.contains(broker)).count();
        Self {
            partition,
            leader,
            bytes: (model.load(partition).disk.ceil() as u64).saturating_mul(added as u64),
            to,
            gain: 0.0,
            reason: None,
        }
    }
}

/// What no plan can overcome.
pub(super) struct Obstacles {
    /// Replicas that cannot leave a broker that leaves.
    pub(super) stuck: Vec<(PartitionIndex, BrokerIndex)>,
    /// Partitions that no placement helps.
    pub(super) oversized: Vec<Oversized>,
    /// See [`bound::rack_floors`].
    pub(super) floors: Vec<PerResource>,
    /// See [`bound::least_imbalance`].
    pub(super) least_imbalance: Imbalance,
}

/// Makes the plan.
pub(super) fn explain(request: &PlanRequest<'_>, found: Found<'_>) -> Plan {
    let (model, settings) = (request.model, &request.settings);
    let (placement, obstacles) = (&found.placement, &found.obstacles);
    let mut ledger = placement.ledger.clone();
    reset(&mut ledger, model);
    let before = imbalance(model, &ledger);

    let mut changes = changes(placement);
    for change in &mut changes {
        change.gain = apply(&mut ledger, model, change);
    }
    // Leaders in the order in which they were found, since one may pass on what another one brings; then copies by what
    // they are worth.
    changes.sort_by(|a, b| {
        let worth = |c: &Change| match c.bytes {
            0 => f64::INFINITY,
            bytes => c.gain / bytes as f64,
        };
        worth(b).total_cmp(&worth(a))
    });
    let kept = within_limits(&mut changes, settings);
    reset(&mut ledger, model);
    let moves: Vec<Move> = changes
        .iter()
        .map(|change| describe(&mut ledger, model, change, settings))
        .collect();

    let mut unsolved = unsolved(model, &ledger, obstacles);
    crowded_racks(&mut unsolved, request, &ledger, &obstacles.floors);
    if !kept {
        unsolved.push(CUT.to_owned());
    }
    Plan {
        purpose: request.purpose.clone(),
        bytes: moves.iter().map(|change| change.bytes).sum(),
        bytes_lower_bound: bound::lower_bound(model, &ledger, &ledger.load),
        copy_rate: settings.throttle,
        copy_seconds: copy_seconds(&moves, settings.throttle),
        imbalance_before: before,
        imbalance_after: imbalance(model, &ledger),
        imbalance_lower_bound: obstacles.least_imbalance,
        moves,
        left_out: found.left_out,
        unsolved,
    }
}

/// The time of the broker that has most to send or to receive.
pub(super) fn copy_seconds(moves: &[Move], rate: f64) -> f64 {
    let mut burden: HashMap<(BrokerId, bool), u64> = HashMap::new();
    for change in moves.iter().filter(|change| change.bytes > 0) {
        let each = change.bytes / (change.adding().count().max(1) as u64);
        for broker in change.adding() {
            *burden.entry((broker, true)).or_default() += each;
        }
        if let Some(leader) = change.from_leader {
            *burden.entry((leader, false)).or_default() += change.bytes;
        }
    }
    burden.into_values().max().unwrap_or(0) as f64 / rate.max(1.0)
}

fn reset(ledger: &mut Ledger, model: &Model) {
    for row in model.brokers() {
        ledger.load[row.get()] = *model.broker_load(row);
    }
}

fn changes(placement: &Placement<'_>) -> Vec<Change> {
    let each = |partition: PartitionIndex| {
        let leader = placement.leader(partition)?;
        let followers = placement.replicas(partition).iter().copied();
        let followers = followers.filter(|&broker| broker != leader);
        let to = std::iter::once(leader).chain(followers).collect();
        Some(Change::new(placement.model, partition, leader, to))
    };
    placement.changed().into_iter().filter_map(each).collect()
}

/// Drops what exceeds the most moves or bytes, and tells whether nothing did.
pub(super) fn within_limits(changes: &mut Vec<Change>, settings: &PlanSettings) -> bool {
    let all = changes.len();
    changes.truncate(settings.max_moves);
    if let Some(most) = settings.max_bytes {
        let mut bytes = 0_u64;
        changes.retain(|change| {
            let fits = bytes.saturating_add(change.bytes) <= most;
            if fits {
                bytes += change.bytes;
            }
            fits
        });
    }
    changes.len() == all
}

/// Applies a change to the ledger and returns by how much the excess falls.
pub(super) fn apply(ledger: &mut Ledger, model: &Model, change: &Change) -> f64 {
    let (replicas, leader) = (model.replicas(change.partition), model.leader(change.partition));
    let before = model.load(change.partition);
    let after = before.with_replicas(replicas.len(), change.to.len());
    let mut gain = 0.0;
    let mut add = |ledger: &mut Ledger, broker: BrokerIndex, sign: f64, share: PerResource| {
        let carried = ledger.load[broker.get()];
        let changed = PerResource::from_fn(|r| carried[r] + sign * share[r]);
        gain += ledger.excess(broker, &carried) - ledger.excess(broker, &changed);
        ledger.load[broker.get()] = changed;
    };
    for &broker in replicas {
        add(ledger, broker, -1.0, before.on_replica(leader == Some(broker)));
    }
    for &broker in &change.to {
        add(ledger, broker, 1.0, after.on_replica(change.leader == broker));
    }
    gain
}

/// The change as a move, made on the ledger.
pub(super) fn describe(ledger: &mut Ledger, model: &Model, change: &Change, settings: &PlanSettings) -> Move {
    let reason = match &change.reason {
        Some(reason) => reason.clone(),
        None => reason(ledger, model, change),
    };
    let gain = apply(ledger, model, change);
    let ids = |rows: &[BrokerIndex]| {
        rows.iter()
            .map(|&row| model.broker(row).id)
            .collect::<Vec<BrokerId>>()
    };
    Move {
        partition: model.name(change.partition),
        topic_id: model.topic(model.topic_of(change.partition)).id,
        from: ids(model.replicas(change.partition)),
        from_leader: model.leader(change.partition).map(|row| model.broker(row).id),
        to: ids(&change.to),
        reason,
        bytes: change.bytes,
        gain,
        expected_seconds: change.bytes as f64 / settings.throttle.max(1.0),
    }
}

fn reason(ledger: &Ledger, model: &Model, change: &Change) -> String {
    let before = model.replicas(change.partition);
    let old_leader = model.leader(change.partition);
    let load = model.load(change.partition);
    let id = |row: BrokerIndex| model.broker(row).id;
    let relieved = before
        .iter()
        .copied()
        .filter(|&row| !change.to.contains(&row) || (old_leader == Some(row) && change.leader != row));
    if let Some(leaving) = before.iter().find(|row| ledger.part[row.get()] == Part::Leaves) {
        return format!(
            "empties broker {}, which leaves: {} of disk and {} of bytes_in",
            id(*leaving),
            Resource::Disk.amount(load.disk),
            Resource::BytesIn.amount(load.bytes_in)
        );
    }
    let filled = change
        .to
        .iter()
        .find(|&&row| ledger.part[row.get()] == Part::Fills && !before.contains(&row));
    if let Some(&filled) = filled {
        return format!(
            "gives broker {} a share: {} of bytes_in and {} of disk",
            id(filled),
            Resource::BytesIn.amount(load.bytes_in),
            Resource::Disk.amount(load.disk)
        );
    }
    let hottest = relieved
        .flat_map(|row| Resource::ALL.map(|r| (row, r, taken(model, change, row, r))))
        .filter(|&(_, _, taken)| taken > 0.0)
        .max_by(|a, b| relative(ledger, a.0, a.1).total_cmp(&relative(ledger, b.0, b.1)));
    match hottest {
        Some((row, r, taken)) => format!(
            "takes {} of {} off broker {} ({:.0} % of mean)",
            r.amount(taken),
            r.name(),
            id(row),
            100.0 * relative(ledger, row, r)
        ),
        None => format!(
            "makes room on the way of other moves: broker {} leads",
            id(change.leader)
        ),
    }
}

/// What a change takes off a broker.
fn taken(model: &Model, change: &Change, row: BrokerIndex, r: Resource) -> f64 {
    let load = model.load(change.partition);
    let before = load.on_replica(model.leader(change.partition) == Some(row))[r];
    let stays = change.to.contains(&row);
    before
        - if stays {
            load.on_replica(change.leader == row)[r]
        } else {
            0.0
        }
}

/// A broker's load in parts of what it would carry at the mean.
fn relative(ledger: &Ledger, row: BrokerIndex, r: Resource) -> f64 {
    ledger.load[row.get()][r] * ledger.scale[row.get()][r]
}

/// Imbalance over the brokers that stay or fill.
pub(super) fn imbalance(model: &Model, ledger: &Ledger) -> Imbalance {
    let staying = || model.brokers().filter(|&row| ledger.receives(row));
    let mut load = PerResource::default();
    let mut capacity = PerResource::default();
    let mut worst = PerResource::default();
    for row in staying() {
        load += ledger.load[row.get()];
        capacity += model.broker(row).capacity;
        worst = worst.max(ledger.load[row.get()].ratio(&model.broker(row).capacity));
    }
    let mean = load.ratio(&capacity);
    PerResource::from_fn(|r| if mean[r] > 0.0 { worst[r] / mean[r] } else { 1.0 }).into()
}

/// Says which racks have too little capacity for what every placement puts there.
fn crowded_racks(told: &mut Vec<String>, request: &PlanRequest<'_>, ledger: &Ledger, floors: &[PerResource]) {
    let model = request.model;
    let within = 1.0 + request.settings.threshold;
    let sentences = (0..).zip(floors).flat_map(|(rack, floor)| {
        let crowded = move |r: &Resource| {
            let is_balanced = |row: BrokerIndex| ledger.scale[row.get()][*r] > 0.0;
            let mut brokers = model.brokers().filter(move |&row| model.rack(row) == rack);
            floor[*r] > within && brokers.any(is_balanced)
        };
        let name = model.brokers().find(|&row| model.rack(row) == rack);
        let name = name.and_then(|row| model.broker(row).rack.clone()).unwrap_or_else(|| "?".into());
        Resource::ALL.into_iter().filter(crowded).map(move |r| {
            format!(
                "rack {name} carries {:.0} % of mean {} or more, wherever partitions are: each has a replica in every rack, \
                 so only more capacity there would help",
                100.0 * floor[r],
                r.name()
            )
        })
    });
    tell(told, sentences.collect::<Vec<_>>().into_iter());
}

fn unsolved(model: &Model, ledger: &Ledger, obstacles: &Obstacles) -> Vec<String> {
    let Obstacles { stuck, oversized, .. } = obstacles;
    let id = |row: BrokerIndex| model.broker(row).id;
    let mut told = Vec::new();
    tell(
        &mut told,
        stuck.iter().map(|&(row, broker)| {
            let why = if model.leader(row).is_none() {
                "it has no leader to copy from"
            } else if model.is_immovable(row) {
                IMMOVABLE
            } else {
                "no other broker may take it"
            };
            format!("{} stays on broker {}: {why}", model.name(row), id(broker))
        }),
    );
    tell(&mut told, oversized.iter().map(|found| {
        format!(
            "{} takes {} of {}, more than the {} that a broker should carry: no placement helps, {} partitions would",
            model.name(found.partition),
            found.resource.amount(found.load),
            found.resource.name(),
            found.resource.amount(found.limit),
            (found.load / found.limit).ceil()
        )
    }));
    let hot = model
        .brokers()
        .filter(|&row| ledger.receives(row))
        .flat_map(|row| {
            let carried = ledger.load[row.get()];
            Resource::ALL.into_iter().filter_map(move |r| {
                let scale = ledger.scale[row.get()][r];
                let beyond = (carried[r] - ledger.limit[row.get()][r]) * scale;
                (beyond > TELLING).then(|| (row, r, carried[r] * scale))
            })
        });
    tell(
        &mut told,
        hot.map(|(row, r, relative)| {
            format!(
                "broker {} stays at {:.0} % of mean {}: no allowed move helps enough for its bytes",
                id(row),
                100.0 * relative,
                r.name()
            )
        }),
    );
    told
}

fn tell(told: &mut Vec<String>, sentences: impl Iterator<Item = String>) {
    let mut more = 0;
    for (row, sentence) in sentences.enumerate() {
        if row < SENTENCES {
            told.push(sentence);
        } else {
            more += 1;
        }
    }
    if more > 0 {
        told.push(self::more(more));
    }
}

/// What is said of so many matters that are not told one by one.
pub(super) fn more(count: usize) -> String {
    format!("{count} more like the last")
}
