//! What load is counted in, and a figure for each.

use std::ops::{Add, AddAssign, Index, IndexMut, Sub, SubAssign};

use serde::{Deserialize, Serialize};

/// What load is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Bytes per second that a broker receives, from producers and from leaders elsewhere.
    BytesIn,
    /// Bytes per second that a broker sends, to consumers and to followers elsewhere.
    BytesOut,
    /// Processor, in cores.
    Cpu,
    /// Bytes in log directories.
    Disk,
}

impl Resource {
    /// Every resource, in the order of the columns.
    pub const ALL: [Self; 4] = [Self::BytesIn, Self::BytesOut, Self::Cpu, Self::Disk];

    /// The name in JSON, metrics and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BytesIn => "bytes_in",
            Self::BytesOut => "bytes_out",
            Self::Cpu => "cpu",
            Self::Disk => "disk",
        }
    }

    /// An amount of it for people, with its unit and three or four digits.
    pub fn amount(self, figure: f64) -> String {
        let unit = match self {
            Self::Cpu => return format!("{figure:.2} cores"),
            Self::Disk => "B",
            Self::BytesIn | Self::BytesOut => "B/s",
        };
        let scales = [("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)];
        let (prefix, scale) = scales
            .into_iter()
            .find(|(_, scale)| figure >= *scale)
            .unwrap_or(("", 1.0));
        format!("{:.1} {prefix}{unit}", figure / scale)
    }
}

/// A figure for each resource.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerResource {
    /// Of [`Resource::BytesIn`].
    pub bytes_in: f64,
    /// Of [`Resource::BytesOut`].
    pub bytes_out: f64,
    /// Of [`Resource::Cpu`].
    pub cpu: f64,
    /// Of [`Resource::Disk`].
    pub disk: f64,
}

impl PerResource {
    /// The same figure for each.
    pub const fn splat(figure: f64) -> Self {
        Self {
            bytes_in: figure,
            bytes_out: figure,
            cpu: figure,
            disk: figure,
        }
    }

    /// A figure for each, as `figure` says.
    pub fn from_fn(mut figure: impl FnMut(Resource) -> f64) -> Self {
        Self {
            bytes_in: figure(Resource::BytesIn),
            bytes_out: figure(Resource::BytesOut),
            cpu: figure(Resource::Cpu),
            disk: figure(Resource::Disk),
        }
    }

    /// The greater one of each figure.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self::from_fn(|r| self[r].max(other[r]))
    }

    /// Each figure divided by the other's; 0 where the divisor is 0.
    pub fn ratio(&self, divisor: &Self) -> Self {
        Self::from_fn(|r| {
            if divisor[r] > 0.0 {
                self[r] / divisor[r]
            } else {
                0.0
            }
        })
    }
}

impl Index<Resource> for PerResource {
    type Output = f64;

    #[inline]
    fn index(&self, resource: Resource) -> &f64 {
        match resource {
            Resource::BytesIn => &self.bytes_in,
            Resource::BytesOut => &self.bytes_out,
            Resource::Cpu => &self.cpu,
            Resource::Disk => &self.disk,
        }
    }
}

impl IndexMut<Resource> for PerResource {
    #[inline]
    fn index_mut(&mut self, resource: Resource) -> &mut f64 {
        match resource {
            Resource::BytesIn => &mut self.bytes_in,
            Resource::BytesOut => &mut self.bytes_out,
            Resource::Cpu => &mut self.cpu,
            Resource::Disk => &mut self.disk,
        }
    }
}

impl Add for PerResource {
    type Output = Self;

    #[inline]
    fn add(self, other: Self) -> Self {
        Self {
            bytes_in: self.bytes_in + other.bytes_in,
            bytes_out: self.bytes_out + other.bytes_out,
            cpu: self.cpu + other.cpu,
            disk: self.disk + other.disk,
        }
    }
}

impl Sub for PerResource {
    type Output = Self;

    #[inline]
    fn sub(self, other: Self) -> Self {
        Self {
            bytes_in: self.bytes_in - other.bytes_in,
            bytes_out: self.bytes_out - other.bytes_out,
            cpu: self.cpu - other.cpu,
            disk: self.disk - other.disk,
        }
    }
}

impl AddAssign for PerResource {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for PerResource {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}
