//! Dividing groups into requests: how many groups one may name, so that no answer is too large.

use kafka::groups::{GroupKind, GroupListing};
use kafka::{BrokerId, GroupId};

/// The most rows that one answer about offsets is expected to have: with 20 bytes each it stays below 4 MB.
const MAX_ROWS: usize = 200_000;

/// How many rows a group is taken to have that was never read.
const UNKNOWN_ROWS: usize = 5_000;

/// The most groups in one request about offsets, and in one that describes them with all their members.
const MAX_GROUPS: usize = 1_000;
const MAX_DESCRIBED: usize = 100;

/// A request to one coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) coordinator: BrokerId,
    pub(super) kind: GroupKind,
    pub(super) groups: Vec<GroupListing>,
}

/// A group to ask about: its coordinator, and how many rows it had.
pub(super) type Asked<'a> = (BrokerId, &'a GroupListing, Option<usize>);

impl Request {
    /// The groups' ids.
    pub(super) fn ids(&self) -> Vec<GroupId> {
        self.groups.iter().map(|group| group.id.clone()).collect()
    }
}

/// The requests about where these groups are.
pub(super) fn about_positions(groups: &[Asked<'_>]) -> Vec<Request> {
    requests(groups, MAX_GROUPS)
}

/// The requests that describe these groups.
pub(super) fn about_members(groups: &[Asked<'_>]) -> Vec<Request> {
    requests(groups, MAX_DESCRIBED)
}

fn requests(groups: &[Asked<'_>], max_groups: usize) -> Vec<Request> {
    let mut sorted: Vec<_> = groups.iter().collect();
    sorted.sort_by_key(|(coordinator, group, _)| (*coordinator, group.kind));
    let alike = sorted.chunk_by(|a, b| (a.0, a.1.kind) == (b.0, b.1.kind));
    alike.flat_map(|groups| divided(groups, max_groups)).collect()
}

/// One or more requests for groups of one coordinator and kind.
fn divided(groups: &[&Asked<'_>], max_groups: usize) -> Vec<Request> {
    let mut requests: Vec<Request> = Vec::new();
    let mut expected = 0;
    for (coordinator, group, rows) in groups {
        let rows = rows.unwrap_or(UNKNOWN_ROWS);
        expected += rows;
        match requests.last_mut() {
            Some(last) if last.groups.len() < max_groups && expected <= MAX_ROWS => {
                last.groups.push((*group).clone());
            }
            _ => {
                expected = rows;
                requests.push(Request {
                    coordinator: *coordinator,
                    kind: group.kind,
                    groups: vec![(*group).clone()],
                });
            }
        }
    }
    requests
}

#[cfg(test)]
mod tests {
    use kafka::groups::GroupState;

    use super::*;

    fn listing(number: usize, kind: GroupKind) -> GroupListing {
        GroupListing {
            id: format!("group-{number:05}").parse().unwrap(),
            kind,
            state: GroupState::Stable,
        }
    }

    fn broker(id: i32) -> BrokerId {
        id.try_into().unwrap()
    }

    fn sizes(requests: &[Request]) -> Vec<usize> {
        requests.iter().map(|request| request.groups.len()).collect()
    }

    #[test]
    fn an_answer_has_no_more_rows_than_a_request_is_for() {
        let listings: Vec<_> = (0..250)
            .map(|number| listing(number, GroupKind::Classic))
            .collect();
        let asked =
            |rows| -> Vec<Asked<'_>> { listings.iter().map(|group| (broker(1), group, rows)).collect() };
        assert_eq!(sizes(&about_positions(&asked(Some(2_500)))), [80, 80, 80, 10]);
        assert_eq!(sizes(&about_positions(&asked(Some(0)))), [250]);
        assert_eq!(sizes(&about_positions(&asked(Some(1_000_000)))), [1; 250]);
        assert_eq!(sizes(&about_positions(&asked(None)))[0], 40);
        assert_eq!(sizes(&about_members(&asked(Some(0)))), [100, 100, 50]);
    }

    #[test]
    fn each_coordinator_and_kind_is_asked_alone_and_each_group_once() {
        let listings: Vec<_> = (0..40).map(|n| listing(n, GroupKind::ALL[n % 5])).collect();
        let asked: Vec<_> = (0..)
            .zip(&listings)
            .map(|(number, group)| (broker(number / 8), group, Some(3)))
            .collect();
        let requests = about_positions(&asked);
        assert_eq!(requests.len(), 5 * 5);
        for request in &requests {
            assert!(request.groups.iter().all(|group| group.kind == request.kind));
        }
        let mut ids: Vec<_> = requests.iter().flat_map(Request::ids).collect();
        ids.sort_unstable();
        assert!(ids.iter().eq(listings.iter().map(|group| &group.id)));
    }
}
