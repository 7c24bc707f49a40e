//! Maintenance windows: when copies may start. Pure, in UTC, so that no change of a clock in summer moves them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::situation::Situation;
use crate::journal::Timestamp;
use crate::plan::Move;

const MINUTE_MS: u64 = 60_000;
const DAY: u64 = 24 * 60;
const WEEK: u64 = 7 * DAY;

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "their names say it")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    /// All seven, in order.
    pub const ALL: [Self; 7] = [
        Self::Mon,
        Self::Tue,
        Self::Wed,
        Self::Thu,
        Self::Fri,
        Self::Sat,
        Self::Sun,
    ];

    /// The day as configurations have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mon => "mon",
            Self::Tue => "tue",
            Self::Wed => "wed",
            Self::Thu => "thu",
            Self::Fri => "fri",
            Self::Sat => "sat",
            Self::Sun => "sun",
        }
    }
}

/// A time of day, to the minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay(u64);

/// A span of time that comes back every week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The days on which it begins; none of them is every day.
    #[serde(default)]
    pub days: Vec<Day>,
    /// When it begins.
    pub from: TimeOfDay,
    /// When it ends. What is not after its beginning is on the next day.
    pub to: TimeOfDay,
}

/// When copies may start; without any window, always.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Windows(Vec<Window>);

impl Windows {
    /// Open in each of `windows`.
    pub fn new(windows: Vec<Window>) -> Self {
        Self(windows)
    }

    /// Each window as it is shown, such as `mon,tue 22:00-06:00`.
    pub fn shown(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }

    /// Whether copies may start at `at`.
    pub fn is_open(&self, at: Timestamp) -> bool {
        self.0.is_empty() || self.age(minute_of_week(at)).is_some()
    }

    /// When it opens next; none when it is open at `at`.
    pub fn next_opening(&self, at: Timestamp) -> Option<Timestamp> {
        if self.is_open(at) {
            return None;
        }
        let minute = minute_of_week(at);
        let ahead = |start: u64| (start + WEEK - minute) % WEEK;
        let wait = self.spans().map(|(start, _)| ahead(start)).min()?;
        Some(Timestamp((at.0 / MINUTE_MS).saturating_add(wait) * MINUTE_MS))
    }

    /// Since when it has been open; none when it is closed at `at`, or never is.
    pub fn open_since(&self, at: Timestamp) -> Option<Timestamp> {
        let minute = minute_of_week(at);
        let mut back = self.age(minute)?;
        // Windows may touch or overlap: what came before the youngest one may have been open too.
        while let Some(more) = self.age((minute + 2 * WEEK - back - 1) % WEEK) {
            back += more + 1;
            if back >= WEEK {
                return None;
            }
        }
        Some(Timestamp((at.0 / MINUTE_MS).saturating_sub(back) * MINUTE_MS))
    }

    /// For how many minutes the longest open window has been open in this minute of the week.
    fn age(&self, minute: u64) -> Option<u64> {
        let since = self
            .spans()
            .map(|(start, length)| ((minute + WEEK - start) % WEEK, length));
        since
            .filter(|(since, length)| since < length)
            .map(|(since, _)| since)
            .max()
    }

    /// The minute of the week in which each window begins, and how many minutes it is long.
    fn spans(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0.iter().flat_map(|window| {
            let (from, to) = (window.from.0, window.to.0);
            let length = if to > from { to - from } else { to + DAY - from };
            let days = if window.days.is_empty() {
                &Day::ALL[..]
            } else {
                &window.days
            };
            days.iter().map(move |day| (*day as u64 * DAY + from, length))
        })
    }
}

/// Minutes since Monday 00:00. The Unix epoch began on a Thursday.
fn minute_of_week(at: Timestamp) -> u64 {
    (at.0 / MINUTE_MS + Day::Thu as u64 * DAY) % WEEK
}

impl Situation<'_> {
    /// The opening that a move has to wait for, if it has to.
    pub(super) fn awaited_window(&self, change: &Move) -> Option<Timestamp> {
        self.limits.awaited_window(change, self.now)
    }
}

impl super::Limits {
    /// The opening that a move has to wait for, if it has to.
    pub fn awaited_window(&self, change: &Move, now: Timestamp) -> Option<Timestamp> {
        if self.leadership_anytime && change.is_leadership_only() {
            return None;
        }
        self.windows.next_opening(now)
    }
}

impl FromStr for TimeOfDay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        text.split_once(':')
            .filter(|(hours, minutes)| digits(hours) && digits(minutes))
            .and_then(|(hours, minutes)| Some((hours.parse::<u64>().ok()?, minutes.parse::<u64>().ok()?)))
            .filter(|(hours, minutes)| *hours < 24 && *minutes < 60)
            .map(|(hours, minutes)| Self(hours * 60 + minutes))
            .ok_or_else(|| format!("`{text}` is no time of day from 00:00 to 23:59, such as 06:30"))
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        time.to_string()
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days: Vec<&str> = self.days.iter().map(|day| day.name()).collect();
        let separator = if days.is_empty() { "" } else { " " };
        write!(f, "{}{separator}{}-{}", days.join(","), self.from, self.to)
    }
}
