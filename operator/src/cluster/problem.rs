//! What is wrong with a spec, in words that help.

use std::fmt;

/// One thing that is wrong with a spec.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where, such as `spec.topics[1].replicationFactor`.
    pub field: String,
    /// What is wrong there.
    pub cause: String,
    /// What to change.
    pub cure: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.field, self.cause, self.cure)
    }
}

/// All that was found so far.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn note(
        &mut self,
        field: impl Into<String>,
        cause: impl Into<String>,
        cure: impl Into<String>,
    ) {
        self.0.push(Problem {
            field: field.into(),
            cause: cause.into(),
            cure: cure.into(),
        });
    }

    /// The value when it is right; else nothing, and the problem is noted.
    pub(super) fn check<T>(
        &mut self,
        field: impl Into<String>,
        cure: impl Into<String>,
        value: Result<T, impl fmt::Display>,
    ) -> Option<T> {
        value
            .map_err(|cause| self.note(field, cause.to_string(), cure))
            .ok()
    }

    /// The value when nothing at all was found.
    pub(super) fn none_or<T>(self, value: Option<T>) -> Result<T, Vec<Problem>> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self.0),
        }
    }
}
