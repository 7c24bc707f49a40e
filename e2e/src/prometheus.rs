//! A real Prometheus on the loopback interface, with the project's rules: what it scrapes, and asking it.

use std::io;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use reqwest::Client;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sidecar::http_client::HttpError;
use tempfile::TempDir;
use thiserror::Error;
use tokio::time::{Instant, sleep};

use crate::child::Child;
use crate::command::run;
use crate::{http, port};

mod answers;
mod targets;

use answers::Found;
pub use answers::{Rule, Series};
pub use targets::{Names, Target};

const RULES: &str = include_str!("../../deploy/prometheus/rules.yaml");
const READY_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);

/// What can go wrong with a Prometheus.
#[derive(Debug, Error)]
pub enum PrometheusError {
    /// A file, folder, port or process could not be set up.
    #[error("cannot {what}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The configuration cannot be written.
    #[error("Prometheus' configuration cannot be written: {0}")]
    Configuration(String),
    /// No client could be made to ask it.
    #[error("Prometheus cannot be asked")]
    Client(#[from] HttpError),
    /// It did not answer, or with something else than was asked for.
    #[error("Prometheus cannot be asked `{asked}`")]
    Http {
        /// What was asked.
        asked: String,
        /// Why it failed.
        #[source]
        source: reqwest::Error,
    },
    /// It does not take what was asked.
    #[error("Prometheus refuses `{asked}`: {error}")]
    Refused {
        /// What was asked.
        asked: String,
        /// What it said.
        error: String,
    },
    /// It ended before it was ready.
    #[error("Prometheus ended with {status}; the end of its log:\n{log}")]
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// Its last lines.
        log: String,
    },
    /// It did not become ready in time.
    #[error("Prometheus was not ready after {READY_WITHIN:?}; the end of its log:\n{log}")]
    NotReady {
        /// Its last lines.
        log: String,
    },
}

/// A Prometheus that runs. Dropping it kills it and removes what it has recorded.
#[derive(Debug)]
pub struct Prometheus {
    /// Where it serves, such as `http://127.0.0.1:20017`.
    pub url: String,
    child: Child,
    client: Client,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts one that scrapes these targets and evaluates the project's rules so often, and returns when it is ready.
    /// Where none is installed it is fetched by `e2e/prometheus.sh`.
    ///
    /// # Errors
    ///
    /// What kept it from becoming ready, with the end of its log.
    pub async fn start(targets: &[Target], every: Duration) -> Result<Self, PrometheusError> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/prometheus.sh");
        let program = tokio::task::spawn_blocking(|| run(script, &["prometheus"])).await;
        let program = program
            .unwrap_or_else(|ended| Err(io::Error::other(ended)))
            .map_err(cannot("find Prometheus"))?;
        let program = Path::new(program.trim());
        let folder = TempDir::with_prefix("prometheus").map_err(cannot("make a folder for Prometheus"))?;
        let configuration = targets::configuration(targets, every)?;
        let file = folder.path().join("prometheus.yaml");
        std::fs::write(folder.path().join("rules.yaml"), RULES)
            .and_then(|()| std::fs::write(&file, configuration))
            .map_err(cannot("write Prometheus' configuration"))?;
        let port = port::free().map_err(cannot("find a free port"))?;
        let mut line = vec![
            program.display().to_string(),
            format!("--config.file={}", file.display()),
            format!("--storage.tsdb.path={}", folder.path().join("data").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
        ];
        // Debian's, unpacked, does not find the pages of its user interface by itself.
        let pages = program.with_file_name("web");
        if pages.is_dir() {
            line.push(format!("--web.local-assets={}", pages.display()));
        }
        let child = Child::spawn(&line, &folder.path().join("log")).map_err(cannot("start Prometheus"))?;
        let prometheus = Self {
            url: format!("http://127.0.0.1:{port}"),
            child,
            client: http::client()?,
            _folder: folder,
        };
        prometheus.ready().await?;
        Ok(prometheus)
    }

    async fn ready(&self) -> Result<(), PrometheusError> {
        let start = Instant::now();
        loop {
            let answer = self.client.get(format!("{}/-/ready", self.url)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            let log = self.child.log_tail();
            if let Some(status) = self.child.exit_status() {
                return Err(PrometheusError::Ended { status, log });
            }
            if start.elapsed() > READY_WITHIN {
                return Err(PrometheusError::NotReady { log });
            }
            sleep(POLL).await;
        }
    }

    /// Series of an expression at a time, which is in seconds since the Unix epoch.
    ///
    /// # Errors
    ///
    /// [`PrometheusError::Http`] and [`PrometheusError::Refused`].
    pub async fn at(&self, time: f64, expression: &str) -> Result<Vec<Series>, PrometheusError> {
        let time = time.to_string();
        let found: Found = self
            .ask("query", &[("query", expression), ("time", &time)])
            .await?;
        Ok(found.series())
    }

    /// Series of an expression from a time to another one, a sample each second.
    ///
    /// # Errors
    ///
    /// [`PrometheusError::Http`] and [`PrometheusError::Refused`].
    pub async fn over(
        &self,
        (from, to): (f64, f64),
        expression: &str,
    ) -> Result<Vec<Series>, PrometheusError> {
        let (from, to) = (from.to_string(), to.to_string());
        let parameters = [
            ("query", expression),
            ("start", &from),
            ("end", &to),
            ("step", "1"),
        ];
        let found: Found = self.ask("query_range", &parameters).await?;
        Ok(found.series())
    }

    /// The values that a label has in series of a selector.
    ///
    /// # Errors
    ///
    /// [`PrometheusError::Http`] and [`PrometheusError::Refused`].
    pub async fn label_values(&self, label: &str, selector: &str) -> Result<Vec<String>, PrometheusError> {
        self.ask(&format!("label/{label}/values"), &[("match[]", selector)])
            .await
    }

    /// The labels that series of a selector have.
    ///
    /// # Errors
    ///
    /// [`PrometheusError::Http`] and [`PrometheusError::Refused`].
    pub async fn label_names(&self, selector: &str) -> Result<Vec<String>, PrometheusError> {
        self.ask("labels", &[("match[]", selector)]).await
    }

    /// The rules, with what came of them last.
    ///
    /// # Errors
    ///
    /// [`PrometheusError::Http`] and [`PrometheusError::Refused`].
    pub async fn rules(&self) -> Result<Vec<Rule>, PrometheusError> {
        #[derive(Deserialize)]
        struct Group {
            rules: Vec<Rule>,
        }
        #[derive(Deserialize)]
        struct Groups {
            groups: Vec<Group>,
        }
        let Groups { groups } = self.ask("rules", &[]).await?;
        Ok(groups.into_iter().flat_map(|group| group.rules).collect())
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        what: &str,
        parameters: &[(&str, &str)],
    ) -> Result<T, PrometheusError> {
        #[derive(Deserialize)]
        struct Answer<T> {
            data: Option<T>,
            #[serde(default)]
            error: String,
        }
        let asked = || {
            let parameters = parameters.iter().map(|(name, value)| format!("{name}={value}"));
            format!("{what} {}", parameters.collect::<Vec<_>>().join(" "))
        };
        let failed = |source| PrometheusError::Http {
            asked: asked(),
            source,
        };
        let request = self
            .client
            .get(format!("{}/api/v1/{what}", self.url))
            .query(parameters);
        let answer = request.send().await.map_err(failed)?;
        let Answer { data, error } = answer.json().await.map_err(failed)?;
        data.ok_or_else(|| PrometheusError::Refused {
            asked: asked(),
            error,
        })
    }
}

fn cannot(what: &'static str) -> impl FnOnce(io::Error) -> PrometheusError {
    move |source| PrometheusError::Io { what, source }
}
