//! Chains: a large replica goes where there is no room for it, and others make room.

use super::leadership::pass_on;
use super::relieve::relieve_broker;
use super::swap::greatest;
use super::{Offer, Targets, copy_to};
use crate::model::{BrokerIndex, PartitionIndex};
use crate::plan::ledger::NOTHING;
use crate::plan::placement::Placement;
use crate::plan::worth::Worth;

/// So many of a hot broker's replicas are tried, the greatest first.
const GIVEN: usize = 6;
/// So many brokers are tried for each.
const HOSTS: usize = 6;

/// Moves large replicas off hot brokers to brokers that have to make room first, where all of it together is worth its
/// bytes. Each attempt costs as much effort as the host has replicas.
pub(in crate::plan) fn chain(
    placement: &mut Placement<'_>,
    targets: &Targets,
    worth: &mut Worth<'_>,
    effort: &mut u64,
) {
    for broker in placement.hot() {
        while *effort > 0 && placement.ledger.is_hot(broker) {
            if !push_through(placement, targets, broker, worth, effort) {
                break;
            }
        }
    }
}

fn push_through(
    placement: &mut Placement<'_>,
    targets: &Targets,
    broker: BrokerIndex,
    worth: &mut Worth<'_>,
    effort: &mut u64,
) -> bool {
    for partition in greatest(placement, broker, GIVEN) {
        for heir in heirs(placement, partition, broker) {
            let lead = |placement: &mut Placement<'_>| placement.lead(partition, heir);
            if *effort == 0 || attempt(placement, targets, (broker, heir), 0.0, lead, worth, effort) {
                return *effort > 0;
            }
        }
        let bytes = placement.model.load(partition).disk;
        for copy in hosts(placement, targets, partition, broker) {
            let make = |placement: &mut Placement<'_>| placement.copy(&copy);
            if *effort == 0 || attempt(placement, targets, (broker, copy.to), bytes, make, worth, effort) {
                return *effort > 0;
            }
        }
    }
    false
}

/// Makes a change that burdens a host, lets the host pass on what it can, and keeps it all when it is worth it.
fn attempt(
    placement: &mut Placement<'_>,
    targets: &Targets,
    (broker, host): (BrokerIndex, BrokerIndex),
    bytes: f64,
    change: impl FnOnce(&mut Placement<'_>),
    worth: &mut Worth<'_>,
    effort: &mut u64,
) -> bool {
    *effort = effort.saturating_sub(placement.on(host).count() as u64);
    let before = placement.ledger.total_price();
    let mut account = worth.clone();
    let kept = placement.attempt(
        |placement| {
            account.spend(broker, bytes);
            change(placement);
            pass_on(placement, host);
            relieve_broker(placement, targets, (host, broker), &mut account);
        },
        |placement, bytes| {
            let gain = before - placement.ledger.total_price();
            gain > worth.cost(placement, bytes).max(NOTHING) && worth.allows(broker, bytes)
        },
    );
    if kept {
        *worth = account;
    }
    kept
}

/// Who could lead instead, whatever they carry now.
fn heirs(placement: &Placement<'_>, partition: PartitionIndex, broker: BrokerIndex) -> Vec<BrokerIndex> {
    let leads = placement.leads(broker, partition) && placement.is_free(partition);
    let replicas = placement.replicas(partition).iter().copied();
    let may = |&row: &BrokerIndex| leads && row != broker && placement.may_lead(row, partition);
    replicas.filter(may).collect()
}

/// Where a replica may go, whatever room there is now: where it does least harm first.
fn hosts(
    placement: &Placement<'_>,
    targets: &Targets,
    partition: PartitionIndex,
    from: BrokerIndex,
) -> Vec<crate::plan::placement::Copy> {
    let offer = Offer::new(placement, partition, from);
    let legal = targets
        .brokers
        .iter()
        .copied()
        .filter(|&to| placement.may_host(partition, from, to));
    let mut found: Vec<_> = legal.filter_map(|to| offer.target(to)).collect();
    found.sort_by(Offer::order);
    found.truncate(HOSTS);
    found
        .iter()
        .map(|target| copy_to(partition, from, target))
        .collect()
}
