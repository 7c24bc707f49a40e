//! From one sample after another to what is served.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kafka::TopicPartition;

use crate::consumption::Consumption;
use crate::jmx::JmxReading;
use crate::logs::LogReading;
use crate::rates::{self, Evidence, PartitionRates};
use crate::report::BrokerTotals;
use crate::totals::{broker_totals, topic_traffic};
use crate::window::Window;

/// After how many intervals a reading is too old to be served or to begin a window.
pub const STALE_INTERVALS: u32 = 3;

/// By which part of it the windows of a sample's sources may differ to count as the same.
const IN_STEP: f64 = 0.03;

/// A reading and when it was taken.
#[derive(Debug)]
pub struct Taken<T> {
    /// The middle of the request, by a clock that never goes back.
    pub at: Duration,
    /// What was read.
    pub reading: Arc<T>,
}

// A derived one would ask the same of `T`.
impl<T> Clone for Taken<T> {
    fn clone(&self) -> Self {
        Self {
            at: self.at,
            reading: Arc::clone(&self.reading),
        }
    }
}

/// What the sources told in one sample; none where one did not answer.
#[derive(Debug, Default)]
pub struct Sample {
    /// The broker's MBeans.
    pub jmx: Option<Taken<JmxReading>>,
    /// The broker's logs.
    pub logs: Option<Taken<LogReading>>,
    /// How groups consume each partition.
    pub consumed: Option<BTreeMap<TopicPartition, Consumption>>,
}

/// What two samples tell together.
#[derive(Debug, Clone)]
pub struct Derived {
    /// Time between the samples.
    pub window: Duration,
    /// The broker's own figures.
    pub totals: BrokerTotals,
    /// The rates of the partitions that it leads.
    pub rates: PartitionRates,
    /// The logs that the rates are of.
    pub logs: Arc<LogReading>,
}

/// The last readings, to which the next ones are compared.
#[derive(Debug)]
pub struct Derivation {
    stale_after: Duration,
    samples: u64,
    jmx: Option<Numbered<JmxReading>>,
    logs: Option<Numbered<LogReading>>,
    rates: PartitionRates,
}

/// A reading and the sample that it is of.
#[derive(Debug)]
struct Numbered<T> {
    sample: u64,
    taken: Taken<T>,
}

impl Derivation {
    /// Nothing known yet, of samples that will be taken every `interval`.
    pub fn new(interval: Duration) -> Self {
        Self {
            stale_after: interval * STALE_INTERVALS,
            samples: 0,
            jmx: None,
            logs: None,
            rates: PartitionRates::new(),
        }
    }

    /// Takes the next sample; none until there are two readings of the same source to compare.
    ///
    /// What is read in one sample counts as read at one moment, that of the counters: what came in between two samples is then
    /// divided by one and the same time, whichever of the sources took longer to answer.
    ///
    /// A source that did not answer is compared across the gap when it does again, unless the gap is too long. While
    /// the logs cannot be read, the exact totals are divided evenly over the partitions that were led last.
    pub fn take(&mut self, sample: Sample) -> Option<Derived> {
        self.samples += 1;
        let (jmx, logs) = (sample.jmx, sample.logs);
        let jmx_window = window(self.jmx.as_ref(), jmx.as_ref(), self.stale_after);
        let logs_window = window(self.logs.as_ref(), logs.as_ref(), self.stale_after);
        let began_together =
            self.jmx.as_ref().map(|jmx| jmx.sample) == self.logs.as_ref().map(|logs| logs.sample);
        let (logs_window, same_window) = match (logs_window, jmx_window) {
            (Some(logs), Some(jmx)) if began_together => (Some(logs.over(jmx.elapsed)), in_step(logs, jmx)),
            _ => (logs_window, false),
        };
        let later = logs.as_ref().or(self.logs.as_ref().map(|logs| &logs.taken));
        let logs_window = match (&logs, jmx_window) {
            (None, Some(window)) => self.unmoved(window, jmx.as_ref()),
            _ => logs_window,
        };
        let derived = logs_window.zip(later).map(|(logs_window, later)| {
            let traffic = jmx_window.and_then(topic_traffic);
            let rates = rates::derive(Evidence {
                logs: logs_window,
                traffic: traffic.as_ref(),
                same_window,
                consumed: sample.consumed.as_ref(),
                last: &self.rates,
            });
            let consumed = sample.consumed.as_ref();
            Derived {
                window: logs_window.elapsed,
                totals: BrokerTotals {
                    consumers_behind: consumed.map(|consumed| consumers_behind(consumed, &rates)),
                    ..jmx_window.map(broker_totals).unwrap_or_default()
                },
                rates,
                logs: Arc::clone(&later.reading),
            }
        });
        let number = self.samples;
        if let Some(taken) = jmx {
            self.jmx = Some(Numbered {
                sample: number,
                taken,
            });
        }
        if let Some(taken) = logs {
            self.logs = Some(Numbered {
                sample: number,
                taken,
            });
        }
        if let Some(derived) = &derived {
            self.rates.clone_from(&derived.rates);
        }
        derived
    }

    /// The last reading of the logs compared with itself, unless it is too old: nothing grew, so that nothing is known of
    /// the partitions but that they are led.
    fn unmoved(
        &self,
        jmx: Window<'_, JmxReading>,
        now: Option<&Taken<JmxReading>>,
    ) -> Option<Window<'_, LogReading>> {
        let last = &self.logs.as_ref()?.taken;
        let age = now?.at.saturating_sub(last.at);
        (age <= self.stale_after).then_some(Window {
            before: &last.reading,
            after: &last.reading,
            elapsed: jmx.elapsed,
        })
    }
}

/// Bytes that consumers have not read yet of the partitions that are led. A partition of unknown record size is left out.
fn consumers_behind(consumed: &BTreeMap<TopicPartition, Consumption>, rates: &PartitionRates) -> f64 {
    let behind = rates.iter().filter_map(|(partition, rate)| {
        let records = consumed.get(partition)?.records_behind;
        Some(records * rate.record_size?.bytes())
    });
    behind.sum()
}

/// Whether two sources were read at the same moments, as far as is known of requests that take time.
fn in_step<A, B>(a: Window<'_, A>, b: Window<'_, B>) -> bool {
    let apart = a.elapsed.abs_diff(b.elapsed).as_secs_f64();
    apart <= IN_STEP * b.elapsed.as_secs_f64()
}

fn window<'a, T>(
    before: Option<&'a Numbered<T>>,
    after: Option<&'a Taken<T>>,
    longest: Duration,
) -> Option<Window<'a, T>> {
    let (before, after) = (&before?.taken, after?);
    let elapsed = after.at.checked_sub(before.at)?;
    // A little slack, since samples are not taken to the millisecond.
    let fits = !elapsed.is_zero() && elapsed <= longest + longest / 4;
    fits.then_some(Window {
        before: &before.reading,
        after: &after.reading,
        elapsed,
    })
}
