//! The project's programs beside a local Kafka: a sidecar to each broker, one `offsets`, and the balancer.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use balancer::config::{Config, SidecarAddress};
use kafka::connection::{BootstrapAddress, ConnectionSettings};
use kafka::ids::{BrokerId, InvalidId};
use kafka::settings::{self, SettingsError};
use reqwest::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sidecar::config::{BrokerConfig, ConsumptionConfig, JolokiaConfig, OffsetsConfig};
use sidecar::http_client::HttpError;
use tempfile::TempDir;
use thiserror::Error;

use crate::http;
use crate::local_kafka::{LocalKafka, LocalKafkaError};
use crate::network::Network;
use crate::port;
use crate::process::{Process, ProcessError, Program};

/// How long a program may take to be ready on a busy machine: two samples, and a tick.
pub const READY_WITHIN: Duration = Duration::from_secs(60);

/// The token that allows actions on the balancer of a [`Stack`].
pub const TOKEN: &str = "a-token-of-local-clusters";

/// What can go wrong with the programs beside a cluster.
#[derive(Debug, Error)]
pub enum StackError {
    /// A program did not start.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The cluster has no such broker or agent.
    #[error(transparent)]
    Kafka(#[from] LocalKafkaError),
    /// A configuration that the programs would not take.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Part of a configuration cannot be.
    #[error("`{value}` cannot be part of a configuration: {reason}")]
    Value {
        /// What it was.
        value: String,
        /// Why not.
        reason: String,
    },
    /// A broker's number is none.
    #[error(transparent)]
    Broker(#[from] InvalidId),
    /// A port or a file could not be had.
    #[error("cannot prepare the programs' surroundings")]
    Io(#[from] io::Error),
    /// A program did not answer, or with something else than was asked for.
    #[error("{url} cannot be asked")]
    Http {
        /// What was asked.
        url: String,
        /// Why it failed.
        #[source]
        source: reqwest::Error,
    },
    /// No client could be made.
    #[error("no program can be asked")]
    Client(#[from] HttpError),
    /// A program refused.
    #[error("{url} answered {status}: {body}")]
    Refused {
        /// What was asked.
        url: String,
        /// HTTP's status.
        status: StatusCode,
        /// What the program said.
        body: String,
    },
}

/// A program that serves HTTP on loopback. Dropping it kills it.
#[derive(Debug)]
pub struct Service {
    /// Its process.
    pub process: Process,
    /// Where it serves, such as `http://127.0.0.1:20017`.
    pub url: String,
}

impl Service {
    /// A sidecar beside `broker`, on its host if it has one of its own, which asks the `offsets` at `offsets_url` for consumption.
    ///
    /// # Errors
    ///
    /// [`StackError`]; see [`Service::ready`] for what goes wrong later.
    pub fn sidecar(
        kafka: &LocalKafka,
        broker: i32,
        interval: Duration,
        offsets_url: Option<&str>,
    ) -> Result<Self, StackError> {
        Self::sidecar_with(kafka, broker, interval, offsets_url, |_| {})
    }

    /// The same with a configuration that `adjust` has changed.
    ///
    /// # Errors
    ///
    /// As [`Service::sidecar`].
    pub fn sidecar_with(
        kafka: &LocalKafka,
        broker: i32,
        interval: Duration,
        offsets_url: Option<&str>,
        adjust: impl FnOnce(&mut BrokerConfig),
    ) -> Result<Self, StackError> {
        let mut config = BrokerConfig::new(broker.try_into()?, connection(kafka)?);
        let place = kafka.place(broker);
        let host = place.map_or(Ipv4Addr::LOCALHOST, |place| place.address);
        let listen = SocketAddr::from((host, port::free()?));
        config.listen = listen;
        config.interval = interval;
        let jolokia = kafka.jolokia_url(broker)?;
        config.jolokia = Some(JolokiaConfig::new(part_of_config(&jolokia)?));
        if let Some(url) = offsets_url {
            let url = format!("{url}/v1/consumption");
            config.consumption = Some(ConsumptionConfig::new(part_of_config(&url)?));
        }
        adjust(&mut config);
        let through = place.map(|place| place.enter.clone()).unwrap_or_default();
        Self::start(through, Program::Sidecar, &["broker"], listen, &config)
    }

    /// The cluster's exporter of consumer lag.
    ///
    /// # Errors
    ///
    /// [`StackError`]; see [`Service::ready`] for what goes wrong later.
    pub fn offsets(kafka: &LocalKafka, interval: Duration) -> Result<Self, StackError> {
        Self::offsets_with(kafka, interval, |_| {})
    }

    /// As [`Service::offsets`], with a configuration that is changed as wished.
    ///
    /// # Errors
    ///
    /// As [`Service::offsets`].
    pub fn offsets_with(
        kafka: &LocalKafka,
        interval: Duration,
        adjust: impl FnOnce(&mut OffsetsConfig),
    ) -> Result<Self, StackError> {
        let mut config = OffsetsConfig::new(connection(kafka)?);
        config.listen = free_address()?;
        config.interval = interval;
        adjust(&mut config);
        Self::start(Vec::new(), Program::Sidecar, &["offsets"], config.listen, &config)
    }

    /// A balancer with exactly this configuration.
    ///
    /// # Errors
    ///
    /// [`StackError`]; see [`Service::ready`] for what goes wrong later.
    pub fn balancer(config: &Config) -> Result<Self, StackError> {
        Self::start(Vec::new(), Program::Balancer, &["serve"], config.listen, config)
    }

    /// The same in another network, where it has to listen at the network's address.
    ///
    /// # Errors
    ///
    /// As [`Service::balancer`].
    pub fn balancer_in(network: &Network, config: &Config) -> Result<Self, StackError> {
        Self::start(
            network.enter(),
            Program::Balancer,
            &["serve"],
            config.listen,
            config,
        )
    }

    fn start(
        through: Vec<String>,
        program: Program,
        arguments: &[&str],
        listen: SocketAddr,
        config: &impl Serialize,
    ) -> Result<Self, StackError> {
        let yaml = to_yaml(program, config)?;
        Ok(Self {
            process: Process::start_through(through, program, arguments, &yaml)?,
            url: format!("http://{listen}"),
        })
    }

    /// Waits until it says that it is ready.
    ///
    /// # Errors
    ///
    /// [`StackError::Process`] with the end of its log.
    pub async fn ready(&mut self) -> Result<(), StackError> {
        Ok(self.process.ready(&self.url, READY_WITHIN).await?)
    }

    /// `GET {url}{path}`, such as `/v1/state`, as JSON.
    ///
    /// # Errors
    ///
    /// [`StackError::Http`] and [`StackError::Refused`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, StackError> {
        let url = format!("{}{path}", self.url);
        answer(&url, http::client()?.get(&url)).await
    }

    /// `GET {url}{path}`, such as `/metrics`, as it is.
    ///
    /// # Errors
    ///
    /// [`StackError::Http`] and [`StackError::Refused`].
    pub async fn text(&self, path: &str) -> Result<String, StackError> {
        let url = format!("{}{path}", self.url);
        let answer = successful(&url, http::client()?.get(&url)).await?;
        answer
            .text()
            .await
            .map_err(|source| StackError::Http { url, source })
    }

    /// `POST {url}{path}` with a JSON body and the token of the [`Stack`].
    ///
    /// # Errors
    ///
    /// [`StackError::Http`] and [`StackError::Refused`].
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, StackError> {
        let url = format!("{}{path}", self.url);
        let request = http::client()?.post(&url).bearer_auth(TOKEN).json(body);
        answer(&url, request).await
    }
}

/// All of it: a sidecar to each broker, one `offsets`, the balancer. Dropping it kills them.
#[derive(Debug)]
pub struct Stack {
    /// The balancer.
    pub balancer: Service,
    /// The sidecars by their brokers.
    pub sidecars: BTreeMap<i32, Service>,
    /// The exporter of consumer lag.
    pub offsets: Option<Service>,
    /// What the balancer was started with.
    pub config: Config,
    folder: TempDir,
}

impl Stack {
    /// Starts all of it, sampling every `interval`, and returns when everything is ready. `adjust` changes the
    /// balancer's configuration, in which everything has its default but the addresses and the token; so it
    /// starts in the mode `observe`.
    ///
    /// # Errors
    ///
    /// [`StackError`], with the end of the log of the program concerned.
    pub async fn start(
        kafka: &LocalKafka,
        interval: Duration,
        adjust: impl FnOnce(&mut Config),
    ) -> Result<Self, StackError> {
        let mut offsets = Service::offsets(kafka, interval)?;
        let mut sidecars = BTreeMap::new();
        for broker in kafka.ids() {
            let sidecar = Service::sidecar(kafka, broker, interval, Some(&offsets.url))?;
            sidecars.insert(broker, sidecar);
        }
        for service in sidecars.values_mut().chain([&mut offsets]) {
            service.ready().await?;
        }
        let addresses = sidecars
            .iter()
            .map(|(&broker, sidecar)| (broker, sidecar.url.as_str()));
        let config = balancer_config(kafka, addresses)?;
        let mut stack = Self::with_balancer(config, None, adjust)?;
        stack.balancer.ready().await?;
        Ok(Self {
            sidecars,
            offsets: Some(offsets),
            ..stack
        })
    }

    /// Starts the balancer only, which sees all brokers over the Kafka protocol then. It need not be ready yet.
    /// It runs in `network`, if there is one. `adjust` is as in [`Stack::start`].
    ///
    /// # Errors
    ///
    /// [`StackError`], with the end of its log.
    pub fn alone(
        kafka: &LocalKafka,
        network: Option<&Network>,
        adjust: impl FnOnce(&mut Config),
    ) -> Result<Self, StackError> {
        Self::with_balancer(balancer_config(kafka, [])?, network, adjust)
    }

    fn with_balancer(
        mut config: Config,
        network: Option<&Network>,
        adjust: impl FnOnce(&mut Config),
    ) -> Result<Self, StackError> {
        let folder = TempDir::with_prefix("kafka-stack")?;
        let token_file = folder.path().join("token");
        std::fs::write(&token_file, TOKEN)?;
        config.token_file = Some(token_file);
        adjust(&mut config);
        Ok(Self {
            balancer: match network {
                Some(network) => Service::balancer_in(network, &config)?,
                None => Service::balancer(&config)?,
            },
            sidecars: BTreeMap::new(),
            offsets: None,
            config,
            folder,
        })
    }

    /// The folder with the balancer's token, in the file `token`.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }
}

/// The defaults of a balancer beside `kafka`, on a free port, with sidecars at the addresses given.
///
/// # Errors
///
/// [`StackError`] when an address is none.
pub fn balancer_config<'a>(
    kafka: &LocalKafka,
    sidecars: impl IntoIterator<Item = (i32, &'a str)>,
) -> Result<Config, StackError> {
    #[derive(Serialize)]
    struct Minimum {
        kafka: ConnectionSettings,
    }
    let minimum = Minimum {
        kafka: connection(kafka)?,
    };
    let yaml = settings::to_yaml(&minimum).map_err(|error| StackError::Value {
        value: kafka.bootstrap(),
        reason: error.to_string(),
    })?;
    let mut config: Config = settings::parse(&yaml, "the balancer's defaults")?;
    config.listen = free_address()?;
    for (broker, url) in sidecars {
        config.sidecars.list.push(SidecarAddress {
            broker: BrokerId::try_from(broker)?,
            url: url.to_owned(),
        });
    }
    Ok(config)
}

/// How the project's programs, or a test that asks Kafka itself, reach the cluster.
///
/// # Errors
///
/// [`StackError::Value`] when the cluster has an address that is none.
pub fn connection(kafka: &LocalKafka) -> Result<ConnectionSettings, StackError> {
    connection_to(&kafka.bootstrap())
}

/// The same by addresses as `bootstrap.servers` takes them.
///
/// # Errors
///
/// [`StackError::Value`] when one of them is none.
pub fn connection_to(bootstrap: &str) -> Result<ConnectionSettings, StackError> {
    let addresses: Result<Vec<BootstrapAddress>, StackError> =
        bootstrap.split(',').map(part_of_config).collect();
    Ok(ConnectionSettings::plaintext(addresses?))
}

fn to_yaml(program: Program, config: &impl Serialize) -> Result<String, StackError> {
    settings::to_yaml(config).map_err(|error| StackError::Value {
        value: program.name().to_owned(),
        reason: error.to_string(),
    })
}

fn part_of_config<T>(text: &str) -> Result<T, StackError>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| StackError::Value {
        value: text.to_owned(),
        reason: error.to_string(),
    })
}

/// Where a program may listen.
///
/// # Errors
///
/// No port is free.
pub fn free_address() -> io::Result<SocketAddr> {
    Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port::free()?)))
}

async fn answer<T: DeserializeOwned>(url: &str, request: reqwest::RequestBuilder) -> Result<T, StackError> {
    let answer = successful(url, request).await?;
    answer.json().await.map_err(|source| StackError::Http {
        url: url.to_owned(),
        source,
    })
}

async fn successful(url: &str, request: reqwest::RequestBuilder) -> Result<reqwest::Response, StackError> {
    let failed = |source| StackError::Http {
        url: url.to_owned(),
        source,
    };
    let answer = request.send().await.map_err(failed)?;
    let status = answer.status();
    if status.is_success() {
        Ok(answer)
    } else {
        Err(StackError::Refused {
            url: url.to_owned(),
            status,
            body: answer.text().await.map_err(failed)?,
        })
    }
}
