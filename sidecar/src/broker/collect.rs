//! Asking the sources, all of them at the same moment.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use kafka::{BrokerId, Cluster, TopicPartition};
use reqwest::Client;
use tokio::time::timeout;
use tracing::debug;

use crate::clock::Clock;
use crate::config::{BrokerConfig, JolokiaConfig};
use crate::consumption::Consumption;
use crate::consumption_client::ConsumptionClient;
use crate::derivation::Taken;
use crate::health::Failure;
use crate::jmx::{self, DETAIL_EVERY, JmxReading};
use crate::jolokia::{Credentials, Jolokia};
use crate::logs::{self, Layout, LogReading, LogsError};
use crate::report::Source;

/// How asking one source went.
#[derive(Debug)]
pub(super) struct Outcome<T> {
    pub(super) result: Result<T, Failure>,
    pub(super) duration: Duration,
}

/// What one round of asking brought; none for sources that are not configured.
#[derive(Debug)]
pub(super) struct Collected {
    pub(super) jmx: Option<Outcome<Taken<JmxReading>>>,
    pub(super) with_detail: bool,
    pub(super) logs: Outcome<Taken<LogReading>>,
    pub(super) consumed: Option<Outcome<BTreeMap<TopicPartition, Consumption>>>,
}

impl Collected {
    /// How each source did.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = (Source, Option<&Failure>, Duration)> {
        fn outcome<T>(source: Source, outcome: &Outcome<T>) -> (Source, Option<&Failure>, Duration) {
            (source, outcome.result.as_ref().err(), outcome.duration)
        }
        let jmx = self.jmx.as_ref().map(|jmx| outcome(Source::Jolokia, jmx));
        let consumed = self
            .consumed
            .as_ref()
            .map(|consumed| outcome(Source::Consumption, consumed));
        [Some(outcome(Source::Protocol, &self.logs)), jmx, consumed]
            .into_iter()
            .flatten()
    }
}

#[derive(Debug)]
pub(super) struct Collector<C> {
    broker: BrokerId,
    clock: Clock,
    cluster: C,
    head_start: Duration,
    limit: Duration,
    jolokia: Option<Jolokia>,
    consumption: Option<ConsumptionClient>,
    rounds: u64,
    followers_serve: bool,
}

impl<C: Cluster> Collector<C> {
    pub(super) fn new(config: &BrokerConfig, clock: Clock, cluster: C, http: Client) -> Self {
        let jolokia = config
            .jolokia
            .as_ref()
            .map(|jolokia| client(jolokia, http.clone()));
        let consumption = config.consumption.as_ref();
        Self {
            broker: config.broker,
            clock,
            cluster,
            head_start: config.interval / 2,
            limit: config.kafka.request_timeout,
            jolokia,
            consumption: consumption.map(|config| ConsumptionClient::new(http, config)),
            rounds: 0,
            followers_serve: false,
        }
    }

    /// Asks all sources. None can hold up the others for longer than its time limit.
    pub(super) async fn collect(&mut self) -> Collected {
        let with_detail = self.rounds.is_multiple_of(DETAIL_EVERY);
        self.rounds += 1;
        let collected = self.ask(with_detail).await;
        if with_detail && collected.logs.result.is_ok() {
            self.ask_whether_followers_serve().await;
        }
        collected
    }

    async fn ask(&self, with_detail: bool) -> Collected {
        // Who leads what comes first, so that counters, sizes and offsets can be read at the same moment: what is
        // written between one and the other is an error of the rates. A cluster that takes long, as when connecting
        // anew, is waited for on, but no longer by the others.
        let began = self.clock.now();
        let mut layout = pin!(self.in_time(Layout::ask(&self.cluster, self.broker)));
        let in_time = timeout(self.head_start, &mut layout).await.ok();
        let logs = async {
            let asked = self.clock.now() - began;
            match in_time {
                Some(layout) => self.logs(layout, asked).await,
                None => self.logs(layout.await, asked).await,
            }
        };
        let (logs, jmx, consumed) = tokio::join!(logs, self.jmx(with_detail), self.consumed());
        Collected {
            jmx,
            with_detail,
            logs,
            consumed,
        }
    }

    async fn logs(&self, layout: Result<Layout, LogsError>, asked: Duration) -> Outcome<Taken<LogReading>> {
        let began = self.clock.now();
        let result = match layout {
            Ok(layout) => self.in_time(layout.read(&self.cluster)).await,
            Err(error) => Err(error),
        };
        let result = result.map(|mut reading| {
            reading.followers_serve = self.followers_serve;
            self.taken(began, reading)
        });
        Outcome {
            result: result.map_err(|error| Failure::new(error.kind(), &error)),
            duration: asked + (self.clock.now() - began),
        }
    }

    /// Learns what changes only with the broker's configuration. Who may not describe it is not told, and assumes Kafka's
    /// default, that they do not.
    async fn ask_whether_followers_serve(&mut self) {
        match self
            .in_time(logs::followers_serve(&self.cluster, self.broker))
            .await
        {
            Ok(serve) => self.followers_serve = serve,
            Err(error) => debug!(%error, "the broker's replica selector is not known"),
        }
    }

    async fn jmx(&self, with_detail: bool) -> Option<Outcome<Taken<JmxReading>>> {
        let jolokia = self.jolokia.as_ref()?;
        let began = self.clock.now();
        let result = match jolokia.read(&jmx::reads(with_detail)).await {
            Ok(answers) => match JmxReading::new(answers) {
                Ok(reading) => Ok(self.taken(began, reading)),
                Err(error) => Err(Failure::new("no_broker", &error)),
            },
            Err(error) => Err(Failure::new(error.kind(), &error)),
        };
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

    async fn in_time<T>(&self, asking: impl Future<Output = Result<T, LogsError>>) -> Result<T, LogsError> {
        timeout(self.limit, asking)
            .await
            .unwrap_or(Err(LogsError::TimedOut(self.broker)))
    }

    fn taken<T>(&self, began: Duration, reading: T) -> Taken<T> {
        Taken {
            at: (began + self.clock.now()) / 2,
            reading: Arc::new(reading),
        }
    }
}

fn client(config: &JolokiaConfig, http: Client) -> Jolokia {
    let credentials = config.user.clone().zip(config.password_file.clone());
    let credentials = credentials.map(|(user, password_file)| Credentials { user, password_file });
    Jolokia::new(http, config.url.url().clone(), credentials, config.timeout)
}
