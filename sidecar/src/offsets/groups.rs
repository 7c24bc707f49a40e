//! What is known of all groups: a row for each partition that a group has a position in, 72 bytes each.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka::groups::{GroupDescription, GroupKind, GroupListing, GroupState, TopicPositions};
use kafka::{GroupId, TopicPartition};

use super::commits::{Commits, Found, Rules, Status};
use super::partitions::{CAUGHT_UP, Partitions, Slot, Tracked};

/// Seconds that a group's rates are smoothed over: consumers commit in lumps, by default every 5 s.
const RATE_SECONDS: f64 = 15.0;

/// All groups that are followed.
#[derive(Debug)]
pub(super) struct Groups {
    followed: BTreeMap<GroupId, Group>,
    /// Groups that do not fit, with how many rows they had when they were last read.
    left_out: BTreeMap<GroupId, usize>,
    rows: usize,
    max_rows: usize,
}

/// One group.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) kind: GroupKind,
    pub(super) state: GroupState,
    /// How many members it has, where its coordinator told.
    pub(super) members: Option<u32>,
    /// The worst of its partitions'.
    pub(super) status: Status,
    /// The most of its partitions', in seconds, where some is known.
    pub(super) max_lag_seconds: Option<f64>,
    /// By slot.
    rows: Vec<Row>,
    /// Of share groups whose coordinator tells it, the lag in each row, or -1.
    told_lags: Vec<i64>,
    read: Option<Duration>,
    /// Whether it has been read since it was last judged.
    is_new: bool,
    /// When it was last judged by what had just been read.
    judged: Duration,
    advanced: Option<Duration>,
}

/// How a group is in one partition.
#[derive(Debug)]
struct Row {
    slot: Slot,
    /// Records per second that the group takes, smoothed.
    rate: f32,
    offset: i64,
    /// The offset in the sample before.
    before: i64,
    commits: Commits,
}

/// How a group is in one partition, for readers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Standing {
    /// The committed offset.
    pub(super) offset: i64,
    /// Records that it has not committed; none as long as the partition's end was never known.
    pub(super) lag: Option<u64>,
    /// How long the oldest of these has been there, in seconds.
    pub(super) lag_seconds: Option<f64>,
    /// Records per second that it takes.
    pub(super) rate: f64,
    /// What is to be said of it.
    pub(super) status: Status,
}

impl Standing {
    /// Both together, as if it were one partition: sums, and of lateness and status the worst.
    pub(super) fn and(&self, other: &Self) -> Self {
        let known = [self.lag, other.lag].into_iter().flatten();
        Self {
            offset: self.offset.saturating_add(other.offset),
            lag: known.reduce(u64::saturating_add),
            lag_seconds: [self.lag_seconds, other.lag_seconds]
                .into_iter()
                .flatten()
                .reduce(f64::max),
            rate: self.rate + other.rate,
            status: self.status.max(other.status),
        }
    }
}

impl Groups {
    /// No groups yet, and never more than this many rows.
    pub(super) fn new(max_rows: usize) -> Self {
        Self {
            followed: BTreeMap::new(),
            left_out: BTreeMap::new(),
            rows: 0,
            max_rows,
        }
    }

    /// How many groups do not fit.
    pub(super) fn left_out(&self) -> usize {
        self.left_out.len()
    }

    /// The groups that are followed, by name.
    pub(super) fn ids(&self) -> impl Iterator<Item = &GroupId> {
        self.followed.keys()
    }

    /// Forgets the groups that are `gone`, which is told when each was read last, if it is followed.
    pub(super) fn forget(&mut self, gone: impl Fn(&GroupId, Option<Duration>) -> bool) {
        self.followed.retain(|id, group| !gone(id, group.read));
        self.left_out.retain(|id, _| !gone(id, None));
        self.count_rows();
    }

    /// Forgets how groups were in partitions that are gone.
    pub(super) fn forget_slots(&mut self, gone: &BTreeSet<Slot>) {
        if gone.is_empty() {
            return;
        }
        for group in self.followed.values_mut() {
            // The lags told are aligned with the rows; the next reading brings them again.
            group.told_lags.clear();
            group.rows.retain(|row| !gone.contains(&row.slot));
        }
        self.count_rows();
    }

    fn count_rows(&mut self) {
        self.rows = self.followed.values().map(|group| group.rows.len()).sum();
    }

    /// How many rows each of these groups is expected to have, and none of those that do not fit: groups are let in by
    /// name as long as there is room. A group that was never read is expected to be empty here.
    pub(super) fn fitting<'a>(
        &self,
        groups: impl Iterator<Item = &'a GroupId>,
    ) -> Vec<(&'a GroupId, Option<usize>)> {
        let mut room = self.max_rows;
        let known = |id: &GroupId| {
            let followed = self.followed.get(id).map(|group| group.rows.len());
            followed.or_else(|| self.left_out.get(id).copied())
        };
        let mut fitting = Vec::new();
        for id in groups {
            let rows = known(id);
            if let Some(left) = room.checked_sub(rows.unwrap_or(0)) {
                room = left;
                fitting.push((id, rows));
            }
        }
        fitting
    }

    /// Takes in what the coordinator described.
    pub(super) fn describe(&mut self, id: &GroupId, description: GroupDescription) {
        if let Some(group) = self.followed.get_mut(id) {
            group.state = description.state;
            group.members = Some(description.members);
        }
    }

    /// Takes in where a group is, read at `at`. Where all rows do not fit, the last groups by name are left out.
    pub(super) fn read(
        &mut self,
        at: Duration,
        listing: &GroupListing,
        topics: &[TopicPositions],
        partitions: &mut Partitions,
    ) {
        let mut positions: Vec<(Slot, i64, i64)> = Vec::new();
        for topic in topics {
            let numbers = topic.positions.iter().map(|position| position.partition);
            let slots = partitions.slots(&topic.topic, numbers);
            let named = slots.zip(&topic.positions);
            positions.extend(
                named.filter_map(|(slot, position)| {
                    Some((slot?, position.offset, position.lag.unwrap_or(-1)))
                }),
            );
        }
        positions.sort_unstable_by_key(|(slot, ..)| *slot);
        positions.dedup_by_key(|(slot, ..)| *slot);
        if !self.make_room(&listing.id, positions.len()) {
            return;
        }
        let group = self
            .followed
            .entry(listing.id.clone())
            .or_insert_with(|| Group::new(listing));
        (group.kind, group.state) = (listing.kind, listing.state);
        self.rows -= group.rows.len();
        group.read(at, &positions, partitions);
        self.rows += group.rows.len();
    }

    /// Whether a group may have so many rows; those after it by name make room.
    fn make_room(&mut self, id: &GroupId, rows: usize) -> bool {
        let has = |groups: &Self| groups.followed.get(id).map_or(0, |group| group.rows.len());
        while self.rows - has(self) + rows > self.max_rows {
            let last = self.followed.last_key_value().map(|(last, _)| last.clone());
            match last.filter(|last| last > id) {
                Some(last) => self.leave_out(&last),
                None => {
                    self.leave_out(id);
                    self.left_out.insert(id.clone(), rows);
                    return false;
                }
            }
        }
        self.left_out.remove(id);
        true
    }

    fn leave_out(&mut self, id: &GroupId) {
        if let Some(group) = self.followed.remove(id) {
            self.rows -= group.rows.len();
            self.left_out.insert(id.clone(), group.rows.len());
        }
    }

    /// All groups that are followed, by name, to be judged.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&GroupId, &mut Group)> {
        self.followed.iter_mut()
    }
}

impl Group {
    fn new(listing: &GroupListing) -> Self {
        Self {
            kind: listing.kind,
            state: listing.state,
            members: None,
            status: Status::Ok,
            max_lag_seconds: None,
            rows: Vec::new(),
            told_lags: Vec::new(),
            read: None,
            is_new: false,
            judged: Duration::ZERO,
            advanced: None,
        }
    }

    /// Takes in all its positions, by slot, with the lags told.
    fn read(&mut self, at: Duration, positions: &[(Slot, i64, i64)], partitions: &mut Partitions) {
        let slots = positions.iter().map(|(slot, ..)| *slot);
        if !self.rows.iter().map(|row| row.slot).eq(slots) {
            self.rows = realigned(std::mem::take(&mut self.rows), positions);
        }
        let elapsed = self.read.map(|read| at.saturating_sub(read).as_secs_f64());
        for (row, (_, offset, _)) in self.rows.iter_mut().zip(positions) {
            row.before = std::mem::replace(&mut row.offset, *offset);
            let records = u64::try_from(offset.saturating_sub(row.before)).unwrap_or(0);
            if records > 0 {
                self.advanced = Some(at);
                if let Some(tracked) = partitions.get_mut(row.slot) {
                    tracked.advanced = tracked.advanced.saturating_add(records);
                }
            }
            if let Some(elapsed) = elapsed.filter(|elapsed| *elapsed > 0.0) {
                let weight = 1.0 - (-elapsed / RATE_SECONDS).exp();
                let rate = f64::from(row.rate);
                row.rate = (rate + (records as f64 / elapsed - rate) * weight) as f32;
            }
        }
        self.told_lags.clear();
        if positions.iter().any(|(.., lag)| *lag >= 0) {
            self.told_lags.extend(positions.iter().map(|(.., lag)| *lag));
        }
        self.read = Some(at);
        self.is_new = true;
    }

    /// Judges it by the ends that are known at `now`, and adds to partitions how far behind it is if it has got on within
    /// `window`, and whether it has caught up if there is somebody to read. That a group or a partition's end could not be read
    /// says nothing of its commits: it keeps the statuses that it had.
    pub(super) fn judge(
        &mut self,
        now: Duration,
        window: Duration,
        rules: &Rules,
        partitions: &mut Partitions,
    ) {
        let attended = self.state.has_members() || self.members.is_some_and(|members| members > 0);
        let within = |time: Duration| move |at: Duration| now.saturating_sub(at) < time;
        let gets_on = self.advanced.is_some_and(within(window));
        let lately = within(CAUGHT_UP);
        // Who chooses partitions without being a member can be told by commits alone.
        let reads = self.read.is_some_and(lately) && (attended || self.advanced.is_some_and(lately));
        let is_new = std::mem::take(&mut self.is_new);
        if is_new {
            self.judged = now;
        }
        let judged = self.judged;
        let (mut worst, mut longest) = (Status::Ok, None::<f64>);
        let mut told_lags = self.told_lags.iter().copied();
        for row in &mut self.rows {
            let told = told_lags.next();
            let Some(tracked) = partitions.get_mut(row.slot) else {
                continue;
            };
            let Some(lag) = lag(row.offset, told, tracked) else {
                continue;
            };
            let found = Found {
                at: now,
                moved: row.offset.cmp(&row.before),
                before: row.before,
                lag,
                attended,
            };
            row.before = row.offset;
            if is_new && is_current(told, tracked) {
                row.commits.note(&found, rules);
            }
            if gets_on {
                tracked.behind += lag as f64;
            }
            let seen = Seen {
                row,
                told,
                tracked,
                judged,
            };
            let standing = seen.standing(now, rules);
            let has_caught_up = reads && seen.has_caught_up(lag, now);
            tracked.caught_up += u32::from(has_caught_up);
            worst = worst.max(standing.status);
            // What is not known is less than anything that is.
            longest = match (longest, standing.lag_seconds) {
                (Some(longest), Some(seconds)) => Some(longest.max(seconds)),
                (longest, seconds) => longest.or(seconds),
            };
        }
        (self.status, self.max_lag_seconds) = (worst, longest);
    }

    /// How many partitions it has a position in.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// How it is in each partition, by slot.
    pub(super) fn seen<'a>(&'a self, partitions: &'a Partitions) -> impl Iterator<Item = Seen<'a>> + 'a {
        let mut told_lags = self.told_lags.iter().copied();
        self.rows.iter().filter_map(move |row| {
            let told = told_lags.next();
            let tracked = partitions.get(row.slot)?;
            Some(Seen {
                row,
                told,
                tracked,
                judged: self.judged,
            })
        })
    }
}

/// A group in one partition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    row: &'a Row,
    told: Option<i64>,
    tracked: &'a Tracked,
    judged: Duration,
}

impl<'a> Seen<'a> {
    /// The partition.
    pub(super) fn partition(&self) -> &'a TopicPartition {
        &self.tracked.partition
    }

    /// The committed offset.
    pub(super) fn offset(&self) -> i64 {
        self.row.offset
    }

    /// Records that are not committed; none as long as the partition's end was never known.
    pub(super) fn lag(&self) -> Option<u64> {
        lag(self.row.offset, self.told, self.tracked)
    }

    /// Where the oldest record is that is not committed. A share group takes records from anywhere after its start offset,
    /// which its coordinator moves with the next acknowledgement only: of so many records the oldest is taken to be where
    /// they would begin if all were last.
    fn oldest(&self, lag: u64) -> i64 {
        let told = self.told.is_some_and(|lag| lag >= 0);
        let last = self.tracked.end.filter(|_| told).map(|end| {
            let lag = i64::try_from(lag).unwrap_or(i64::MAX);
            end.saturating_sub(lag)
        });
        last.map_or(self.row.offset, |last| last.max(self.row.offset))
    }

    /// Whether it has committed all that was written until a short while ago.
    fn has_caught_up(&self, lag: u64, now: Duration) -> bool {
        lag == 0 || self.tracked.timeline.was_at(self.oldest(lag), now, CAUGHT_UP)
    }

    /// All that is known.
    pub(super) fn standing(&self, now: Duration, rules: &Rules) -> Standing {
        let (offset, lag, timeline) = (self.row.offset, self.lag(), &self.tracked.timeline);
        let lag_seconds = lag.and_then(|lag| match lag {
            lag if lag <= rules.allowed_lag => Some(0.0),
            lag => timeline.seconds_since(self.oldest(lag), now),
        });
        let judged = match is_current(self.told, self.tracked) {
            true => self.judged,
            false => self.judged.min(self.tracked.told),
        };
        let commits = &self.row.commits;
        let was_at_end = || timeline.was_at(offset, judged, rules.window_time());
        let status = |lag| commits.status(judged, offset, lag, rules, was_at_end);
        Standing {
            offset,
            lag,
            lag_seconds,
            rate: self.row.rate.into(),
            status: lag.map_or(Status::Ok, status),
        }
    }
}

/// Records that are not committed yet, as the coordinator told or up to the partition's end. That may have been read
/// before the commit, then there are none.
fn lag(offset: i64, told: Option<i64>, tracked: &Tracked) -> Option<u64> {
    let told = told.and_then(|lag| u64::try_from(lag).ok());
    told.or_else(|| Some(u64::try_from(tracked.end?.saturating_sub(offset)).unwrap_or(0)))
}

/// Whether it was found in the last sample how far a group is behind.
fn is_current(told: Option<i64>, tracked: &Tracked) -> bool {
    tracked.is_current || told.is_some_and(|lag| lag >= 0)
}

/// The rows for other positions than before: what is known of those that are still there is kept. A position that is
/// new begins where it is.
fn realigned(rows: Vec<Row>, positions: &[(Slot, i64, i64)]) -> Vec<Row> {
    let mut old = rows.into_iter().peekable();
    let mut new = Vec::with_capacity(positions.len());
    for (slot, offset, _) in positions {
        while old.next_if(|row| row.slot < *slot).is_some() {}
        let kept = old.next_if(|row| row.slot == *slot);
        new.push(kept.unwrap_or_else(|| Row {
            slot: *slot,
            rate: 0.0,
            offset: *offset,
            before: *offset,
            commits: Commits::default(),
        }));
    }
    new
}

#[cfg(test)]
#[path = "groups_tests.rs"]
mod tests;
