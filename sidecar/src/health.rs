//! How the sources that a sidecar reads have been doing.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use tracing::{info, warn};

use kafka::error::with_causes;

use crate::exposition::{Kind, Text};
use crate::report::{Source, SourceState};

/// Why a source could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A word for the `kind` label of error counters.
    pub kind: &'static str,
    /// The error and its causes.
    pub message: String,
}

impl Failure {
    /// A failure of this kind, told with all its causes.
    pub fn new(kind: &'static str, error: &dyn Error) -> Self {
        let message = with_causes(error);
        Self { kind, message }
    }
}

/// What is known of all sources.
#[derive(Debug, Clone, Default)]
pub struct Health(BTreeMap<Source, SourceHealth>);

#[derive(Debug, Clone, Default)]
struct SourceHealth {
    up: bool,
    error: Option<String>,
    last_success_ms: Option<u64>,
    duration: Duration,
    errors: BTreeMap<&'static str, u64>,
}

impl Health {
    /// Notes how one reading went, that ended at `now_ms` after the Unix epoch. Logs only when the source came up or went
    /// down, not every time that it is still down.
    pub fn note(&mut self, source: Source, failure: Option<&Failure>, duration: Duration, now_ms: u64) {
        let was_up = self.0.get(&source).map(|health| health.up);
        let health = self.0.entry(source).or_default();
        health.up = failure.is_none();
        health.duration = duration;
        health.error = failure.map(|failure| failure.message.clone());
        let name = source.name();
        match failure {
            None => {
                health.last_success_ms = Some(now_ms);
                if was_up != Some(true) {
                    info!(source = name, "the source answers");
                }
            }
            Some(failure) => {
                *health.errors.entry(failure.kind).or_default() += 1;
                if was_up != Some(false) {
                    warn!(
                        source = name,
                        kind = failure.kind,
                        error = failure.message,
                        "the source does not answer"
                    );
                }
            }
        }
    }

    /// Notes what a source would not tell that otherwise answered. Logs only the first time.
    pub fn note_refusal(&mut self, source: Source, refusal: &Failure) {
        let health = self.0.entry(source).or_default();
        let count = health.errors.entry(refusal.kind).or_default();
        if *count == 0 {
            let (source, error) = (source.name(), &refusal.message);
            warn!(source, kind = refusal.kind, error, "the source does not tell all");
        }
        *count += 1;
        health.error = Some(refusal.message.clone());
    }

    /// Each source's state, as reports have it.
    pub fn states(&self) -> BTreeMap<Source, SourceState> {
        let state = |health: &SourceHealth| SourceState {
            up: health.up,
            error: health.error.clone(),
        };
        self.0
            .iter()
            .map(|(source, health)| (*source, state(health)))
            .collect()
    }

    /// Writes the families about sources.
    pub fn write(&self, text: &mut Text) {
        let each = |text: &mut Text, name, help, value: &dyn Fn(&SourceHealth) -> Option<f64>| {
            let mut family = text.family(name, Kind::Gauge, help);
            for (source, health) in &self.0 {
                if let Some(value) = value(health) {
                    family.series(&[("source", source.name())], value);
                }
            }
        };
        each(
            text,
            "kafka_sidecar_source_up",
            "Whether the source answered when it was last asked.",
            &|health| Some(f64::from(u8::from(health.up))),
        );
        each(
            text,
            "kafka_sidecar_source_last_success_timestamp_seconds",
            "When the source last answered, in seconds since the Unix epoch.",
            &|health| {
                health
                    .last_success_ms
                    .map(|milliseconds| milliseconds as f64 / 1e3)
            },
        );
        each(
            text,
            "kafka_sidecar_source_collect_duration_seconds",
            "How long the last reading of the source took.",
            &|health| Some(health.duration.as_secs_f64()),
        );
        let name = "kafka_sidecar_source_errors_total";
        let help = "Readings of the source that failed, some in part.";
        let mut family = text.family(name, Kind::Counter, help);
        for (source, health) in &self.0 {
            for (kind, count) in &health.errors {
                family.series(&[("source", source.name()), ("kind", kind)], *count as f64);
            }
        }
    }
}
