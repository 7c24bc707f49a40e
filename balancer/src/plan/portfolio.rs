//! Several searches from the same start, of which the best is taken: where single choices are as good as each other, what
//! they lead to is not.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::panic::resume_unwind;
use std::thread;

use super::explain::Obstacles;
use super::placement::Placement;
use super::worth::Worth;
use super::{LeftOut, PlanRequest, bound, oversized, search};

/// A swap or a chain may make room for a copy that found none before.
const ROUNDS: usize = 3;

/// Where one search ended.
pub(super) struct Found<'a> {
    pub(super) placement: Placement<'a>,
    pub(super) obstacles: Obstacles,
    pub(super) left_out: Vec<LeftOut>,
}

/// Searches as often as the settings say, on as many cores as there are, and takes what leaves least beyond the limits,
/// then what copies fewest bytes. How many cores there are makes no difference to the outcome.
pub(super) fn best<'a>(request: &'a PlanRequest<'a>) -> Found<'a> {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let cores = u32::try_from(cores).unwrap_or(u32::MAX);
    let searches = request.settings.searches.get();
    let mut next = searches.min(cores);
    let mut best = together(request, 0..next);
    while next < searches {
        let last = searches.min(next.saturating_add(cores));
        best = better(best, together(request, next..last));
        next = last;
    }
    best
}

/// Makes some searches at the same time, the first one on this thread, and takes the best.
fn together<'a>(request: &'a PlanRequest<'a>, numbers: Range<u32>) -> Found<'a> {
    thread::scope(|scope| {
        let others: Vec<_> = (numbers.start + 1..numbers.end)
            .map(|number| scope.spawn(move || search(request, number)))
            .collect();
        let own = search(request, numbers.start);
        let others = others
            .into_iter()
            .map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        others.fold(own, better)
    })
}

fn better<'a>(one: Found<'a>, other: Found<'a>) -> Found<'a> {
    if rank(&other) < rank(&one) { other } else { one }
}

/// Less is better: excess to a thousandth of the mean, megabytes, moves.
fn rank(found: &Found<'_>) -> (u64, u64, usize) {
    let excess = (found.placement.ledger.total_price() * 1e3).round() as u64;
    let megabytes = (found.placement.bytes_copied() / 1e6).round() as u64;
    (excess, megabytes, found.placement.changed().len())
}

fn search<'a>(request: &'a PlanRequest<'a>, number: u32) -> Found<'a> {
    let settings = &request.settings;
    // The first two keep the order in which replicas are moved, the others vary it.
    let salt = match number / 2 {
        0 => 0,
        round => search::scatter(settings.seed ^ u64::from(round)) | 1,
    };
    let mut placement = Placement::new(request, number.is_multiple_of(2));
    let mut worth = Worth::new(request.model, settings);
    let floors = bound::rack_floors(&placement);
    let least_imbalance = bound::least_imbalance(&placement, &floors);
    placement.ledger.allow_for_racks(request.model, &floors, settings);
    let targets = search::Targets::new(&placement, settings.seed, salt);
    let stuck = search::evacuate(&mut placement, &targets);
    let oversized = oversized::set_aside(&mut placement, settings.threshold);
    search::change_leaders(&mut placement);
    // Leaders go as far as the target for nothing; bytes are only for what is beyond the threshold then.
    placement.ledger.tolerate(request.model, settings);
    search::fill(&mut placement, settings.seed);
    let (mut swaps, mut chains) = (settings.effort / 2, settings.effort / 2);
    for _ in 0..ROUNDS {
        search::relieve(&mut placement, &targets, &mut worth);
        if placement.hot().is_empty() {
            break;
        }
        search::swap(&mut placement, &mut worth, &mut swaps);
        search::chain(&mut placement, &targets, &mut worth, &mut chains);
        search::change_leaders(&mut placement);
    }
    search::prune(&mut placement, settings.effort / 16);
    Found {
        left_out: worth.into_left_out(&placement),
        placement,
        obstacles: Obstacles {
            stuck,
            oversized,
            floors,
            least_imbalance,
        },
    }
}
