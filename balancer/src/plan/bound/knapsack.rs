//! The least that has to be paid for whole items that together bring enough.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// What an item brings and what it costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Item {
    pub(super) brings: f64,
    pub(super) costs: f64,
}

/// So many nodes are looked into; each makes the bound a little better.
const NODES: usize = 200;
/// A bound this close to a choice that was found is good enough.
const CLOSE: f64 = 0.005;

/// A lower bound on the cost of any choice of whole items that brings `needed`, exact for few items; 0 when nothing is
/// needed, and what everything costs when all of it is not enough.
///
/// Branch and bound on the relaxation in which items may be taken in part (Dantzig, Discrete-variable extremum problems,
/// 1957): the best first, dividing by the one item of which a part is taken. Stopped at any time, the least bound of the
/// nodes that are open holds for every choice (Land and Doig, An automatic method of solving discrete programming
/// problems, 1960).
pub(super) fn least_cost(mut items: Vec<Item>, needed: f64) -> f64 {
    if needed <= 0.0 {
        return 0.0;
    }
    items.retain(|item| item.brings > 0.0);
    for item in &mut items {
        item.brings = item.brings.min(needed);
    }
    items.sort_unstable_by(|a, b| (a.costs / a.brings).total_cmp(&(b.costs / b.brings)));
    let mut open = BinaryHeap::new();
    let mut best = f64::INFINITY;
    open.push(relax(&items, needed, Vec::new()));
    let mut bound = 0.0;
    for _ in 0..NODES {
        let Some(node) = open.pop() else { break };
        bound = node.bound;
        best = best.min(node.rounded);
        let Some(part) = node.part.filter(|_| node.bound < best * (1.0 - CLOSE)) else {
            return bound.min(best);
        };
        for taken in [false, true] {
            let mut fixed = node.fixed.clone();
            fixed.push((part, taken));
            let child = relax(&items, needed, fixed);
            if child.bound < best {
                open.push(child);
            }
        }
    }
    open.peek().map_or(best, |next| next.bound.max(bound)).min(best)
}

/// What is known when some items are certainly taken and some certainly not.
#[derive(Debug, PartialEq)]
struct Node {
    fixed: Vec<(usize, bool)>,
    /// What the best choice costs at least.
    bound: f64,
    /// What it costs when the item of which a part is taken is taken whole.
    rounded: f64,
    /// That item; none when the choice is of whole items only.
    part: Option<usize>,
}

impl Eq for Node {}

impl Ord for Node {
    fn cmp(&self, other: &Self) -> Ordering {
        other.bound.total_cmp(&self.bound)
    }
}

impl PartialOrd for Node {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn relax(items: &[Item], needed: f64, fixed: Vec<(usize, bool)>) -> Node {
    let (mut left, mut cost) = (needed, 0.0);
    for &(row, _) in fixed.iter().filter(|(_, taken)| *taken) {
        left -= items[row].brings;
        cost += items[row].costs;
    }
    let mut node = Node {
        fixed,
        bound: cost,
        rounded: cost,
        part: None,
    };
    for (row, item) in items.iter().enumerate() {
        if left <= 0.0 {
            return node;
        }
        if node.fixed.iter().any(|&(known, _)| known == row) {
            continue;
        }
        if item.brings > left {
            node.part = Some(row);
        }
        node.bound = cost + item.costs * (left / item.brings).min(1.0);
        cost += item.costs;
        node.rounded = cost;
        left -= item.brings;
    }
    if left > 0.0 && node.fixed.iter().any(|(_, taken)| !taken) {
        // Without these items it cannot be done.
        (node.bound, node.rounded) = (f64::INFINITY, f64::INFINITY);
    }
    node
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn exactly(items: &[Item], needed: f64) -> f64 {
        let choices = 0..1_u32 << items.len();
        let sum = |choice: u32, figure: fn(&Item) -> f64| -> f64 {
            let taken = items.iter().enumerate().filter(|(row, _)| choice >> row & 1 == 1);
            taken.map(|(_, item)| figure(item)).sum()
        };
        choices
            .filter(|&choice| sum(choice, |item| item.brings) >= needed)
            .map(|choice| sum(choice, |item| item.costs))
            .fold(f64::INFINITY, f64::min)
    }

    proptest! {
        #[test]
        fn the_bound_is_never_above_the_cheapest_choice_and_close_to_it(
            items in prop::collection::vec((1.0..100.0_f64, 0.0..100.0_f64), 1..10),
            part in 0.01..0.99_f64,
        ) {
            let items: Vec<Item> = items.into_iter().map(|(brings, costs)| Item { brings, costs }).collect();
            let needed = part * items.iter().map(|item| item.brings).sum::<f64>();
            let (bound, cheapest) = (least_cost(items.clone(), needed), exactly(&items, needed));
            prop_assert!(bound <= cheapest + 1e-9, "{bound} > {cheapest}");
            prop_assert!(bound >= cheapest * (1.0 - CLOSE) - 1e-9, "{bound} < {cheapest}");
        }
    }
}
