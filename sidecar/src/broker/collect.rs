//! Asking the sources, all of them at the same moment.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::OptionFuture;
use kafka::{Cluster, TopicPartition};
use tokio::time::timeout;

use super::log_choice::Choice;
use super::protocol::Protocol;
use crate::clock::Clock;
use crate::config::{BrokerConfig, LogSource, Names};
use crate::consumption::Consumption;
use crate::consumption_client::ConsumptionClient;
use crate::derivation::{Sample, Taken};
use crate::health::Failure;
use crate::jmx::{self, DETAIL_EVERY, JmxReading};
use crate::jolokia::Jolokia;
use crate::logs::{LogReading, mbeans};
use crate::report::Source;

/// How asking one source went.
#[derive(Debug)]
pub(super) struct Outcome<T> {
    pub(super) result: Result<T, Failure>,
    pub(super) duration: Duration,
}

/// What one round of asking brought; none for sources that were not asked.
#[derive(Debug)]
pub(super) struct Collected {
    pub(super) protocol: Option<Outcome<Taken<LogReading>>>,
    pub(super) jolokia: Option<Outcome<Mbeans>>,
    pub(super) consumed: Option<Outcome<BTreeMap<TopicPartition, Consumption>>>,
}

/// What the agent told.
#[derive(Debug)]
pub(super) struct Mbeans {
    pub(super) jmx: Taken<JmxReading>,
    /// The logs, where they were asked for.
    logs: Option<Taken<LogReading>>,
}

impl Collected {
    /// How each source did.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = (Source, Option<&Failure>, Duration)> {
        fn outcome<T>(
            source: Source,
            asked: Option<&Outcome<T>>,
        ) -> Option<(Source, Option<&Failure>, Duration)> {
            let asked = asked?;
            Some((source, asked.result.as_ref().err(), asked.duration))
        }
        let outcomes = [
            outcome(Source::Protocol, self.protocol.as_ref()),
            outcome(Source::Jolokia, self.jolokia.as_ref()),
            outcome(Source::Consumption, self.consumed.as_ref()),
        ];
        outcomes.into_iter().flatten()
    }

    /// What the agent would not tell although it answered.
    pub(super) fn refusal(&self) -> Option<Failure> {
        let told = self.jolokia.as_ref()?.result.as_ref().ok()?;
        let refused = told.jmx.reading.refused.first()?;
        Some(Failure::new("refused", refused))
    }

    /// What can be derived from.
    pub(super) fn into_sample(self) -> Sample {
        fn told<T>(asked: Option<Outcome<T>>) -> Option<T> {
            asked?.result.ok()
        }
        let (jmx, from_mbeans) = told(self.jolokia).map(|told| (told.jmx, told.logs)).unzip();
        Sample {
            jmx,
            logs: told(self.protocol).or(from_mbeans.flatten()),
            consumed: told(self.consumed),
        }
    }
}

#[derive(Debug)]
pub(super) struct Collector<C> {
    clock: Clock,
    /// How long the others wait for the protocol to tell who leads what.
    head_start: Duration,
    protocol: Option<Protocol<C>>,
    jolokia: Option<Jolokia>,
    consumption: Option<ConsumptionClient>,
    /// Which source logs are read from, where both may be.
    choice: Option<Choice>,
    names: Names,
    rounds: u64,
}

impl<C: Cluster> Collector<C> {
    /// Logs are read over the protocol if there is a `cluster`, as `config.logs` says.
    pub(super) fn new(config: &BrokerConfig, clock: Clock, cluster: Option<C>) -> Self {
        // Whoever is waited for longer than an interval makes what the others tell stale.
        let (mut jolokia, mut consumption) = (config.jolokia.clone(), config.consumption.clone());
        let timeouts = jolokia.iter_mut().map(|asked| &mut asked.timeout);
        for timeout in timeouts.chain(consumption.iter_mut().map(|asked| &mut asked.timeout)) {
            *timeout = config.interval.min(*timeout);
        }
        let protocol = cluster.filter(|_| config.logs != LogSource::Jolokia);
        let may_choose = config.logs == LogSource::Automatic && protocol.is_some() && jolokia.is_some();
        Self {
            clock,
            head_start: config.interval / 2,
            protocol: protocol.map(|cluster| Protocol::new(config, clock, cluster)),
            jolokia: jolokia.as_ref().map(Jolokia::new),
            consumption: consumption.as_ref().map(ConsumptionClient::new),
            choice: may_choose.then(Choice::default),
            names: config.metrics.names,
            rounds: 0,
        }
    }

    /// Asks all sources. None can hold up the others for longer than its time limit.
    pub(super) async fn collect(&mut self) -> Collected {
        let with_detail = self.rounds.is_multiple_of(u64::from(DETAIL_EVERY));
        self.rounds += 1;
        let collected = self.ask(with_detail).await;
        let answer = collected.protocol.as_ref().map(|asked| asked.result.as_ref());
        if let Some(choice) = &mut self.choice {
            choice.note(answer.map(|answer| answer.is_ok()));
        }
        if let (Some(protocol), Some(Ok(logs)), true) = (&mut self.protocol, answer, with_detail) {
            protocol.learn(&logs.reading).await;
        }
        collected
    }

    async fn ask(&self, with_detail: bool) -> Collected {
        let from_mbeans = match self.choice {
            Some(choice) => choice.asks_mbeans(),
            None => self.protocol.is_none(),
        };
        let asks_protocol = self.choice.is_none_or(Choice::asks_protocol);
        let protocol = self.protocol.as_ref().filter(|_| asks_protocol);
        // Who leads what comes first, so that counters, sizes and offsets can be read at the same moment: what is
        // written between one and the other is an error of the rates. A cluster that takes long, as when connecting
        // anew, is waited for on, but no longer by the others.
        let began = self.clock.now();
        let mut layout = pin!(OptionFuture::from(
            protocol.map(|protocol| protocol.layout(from_mbeans))
        ));
        let in_time = timeout(self.head_start, &mut layout).await.ok();
        let over_protocol = async {
            let asked = self.clock.now() - began;
            let layout = match in_time {
                Some(layout) => layout,
                None => layout.await,
            };
            let reading = protocol
                .zip(layout)
                .map(|(protocol, layout)| protocol.read(from_mbeans, layout, asked));
            OptionFuture::from(reading).await
        };
        let (protocol, jolokia, consumed) = tokio::join!(
            over_protocol,
            self.mbeans(with_detail, from_mbeans),
            self.consumed()
        );
        Collected {
            protocol,
            jolokia,
            consumed,
        }
    }

    async fn mbeans(&self, with_detail: bool, with_logs: bool) -> Option<Outcome<Mbeans>> {
        let jolokia = self.jolokia.as_ref()?;
        let began = self.clock.now();
        let mut reads = jmx::reads(with_detail);
        let of_jmx = reads.len();
        if with_logs {
            reads.extend(mbeans::READS);
        }
        let told = |mut answers: Vec<_>| {
            let of_logs = answers.split_off(of_jmx);
            let jmx =
                JmxReading::new(answers, self.names).map_err(|error| Failure::new("no_broker", &error))?;
            let logs = with_logs.then(|| mbeans::reading(of_logs)).transpose();
            let logs = logs.map_err(|error| Failure::new("refused", &error))?;
            Ok(Mbeans {
                jmx: taken(began, self.clock, jmx),
                logs: logs.map(|logs| taken(began, self.clock, logs)),
            })
        };
        let answers = jolokia.read(&reads).await;
        let result = answers
            .map_err(|error| Failure::new(error.kind(), &error))
            .and_then(told);
        Some(Outcome {
            result,
            duration: self.clock.now() - began,
        })
    }

    async fn consumed(&self) -> Option<Outcome<BTreeMap<TopicPartition, Consumption>>> {
        let consumption = self.consumption.as_ref()?;
        let began = self.clock.now();
        let result = consumption.consumption(self.clock.unix_ms()).await;
        Some(Outcome {
            result: result.map_err(|error| Failure::new(error.kind(), &error)),
            duration: self.clock.now() - began,
        })
    }
}

/// A reading that has just ended.
pub(super) fn taken<T>(began: Duration, clock: Clock, reading: T) -> Taken<T> {
    Taken {
        at: (began + clock.now()) / 2,
        reading: Arc::new(reading),
    }
}
