//! The project's programs beside the cluster.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use balancer::api::view::{FinishedPlan, Phase, State};
use balancer::config::Config;
use balancer::journal::Mode;
use balancer::model::PerResource;

use super::{Outcome, Scene, TICK, configure};
use crate::network::Network;
use crate::process::Program;
use crate::stack::{Service, Stack};

impl Scene {
    /// Starts a sidecar to each broker, `offsets` and the balancer.
    ///
    /// # Errors
    ///
    /// It does not run, or does not answer as it should.
    pub async fn balance(&mut self, mode: Mode, adjust: impl FnOnce(&mut Config)) -> Outcome {
        let name = self.name;
        let stack = Stack::start(&self.kafka, TICK, |config| {
            configure(config, name, mode);
            adjust(config);
        });
        self.stack = Some(stack.await?);
        Ok(())
    }

    /// Starts the balancer alone, in mode auto. It sees brokers over the Kafka protocol and finds nothing hot, so that it
    /// makes those plans only that the test has written. It need not be ready yet.
    ///
    /// # Errors
    ///
    /// It does not run.
    pub fn balance_alone(&mut self, adjust: impl FnOnce(&mut Config)) -> Outcome<&mut Service> {
        let stack = Stack::alone(&self.kafka, None, alone(self.name, adjust))?;
        Ok(&mut self.stack.insert(stack).balancer)
    }

    /// The same in another network. `adjust` has to say where it listens and how it reaches Kafka from there.
    ///
    /// # Errors
    ///
    /// It does not run.
    pub fn balance_from(&mut self, network: &Network, adjust: impl FnOnce(&mut Config)) -> Outcome {
        self.stack = Some(Stack::alone(
            &self.kafka,
            Some(network),
            alone(self.name, adjust),
        )?);
        Ok(())
    }

    /// The balancer, to be stopped or started.
    ///
    /// # Errors
    ///
    /// It has not been started.
    pub fn balancer_mut(&mut self) -> Outcome<&mut Service> {
        let stack = self.stack.as_mut().ok_or("nothing has been started")?;
        Ok(&mut stack.balancer)
    }

    /// The programs.
    ///
    /// # Errors
    ///
    /// It does not run, or does not answer as it should.
    pub fn stack(&self) -> Outcome<&Stack> {
        self.stack
            .as_ref()
            .ok_or_else(|| "nothing has been started".into())
    }

    /// The balancer.
    ///
    /// # Errors
    ///
    /// It does not run, or does not answer as it should.
    pub fn balancer(&self) -> Outcome<&Service> {
        Ok(&self.stack()?.balancer)
    }

    /// What the balancer says of itself.
    ///
    /// # Errors
    ///
    /// It does not run, or does not answer as it should.
    pub async fn state(&self) -> Outcome<State> {
        Ok(self.balancer()?.get("/v1/state").await?)
    }

    /// Plans that have ended and did something.
    ///
    /// # Errors
    ///
    /// It does not run, or does not answer as it should.
    pub async fn history(&self) -> Outcome<Vec<FinishedPlan>> {
        Ok(self.balancer()?.get("/v1/history").await?)
    }

    /// Runs `kafka-balancer <arguments>` against the balancer.
    ///
    /// # Errors
    ///
    /// It does not run, or does not answer as it should.
    pub fn cli(&self, arguments: &[&str]) -> Outcome<String> {
        let output = self.cli_output(arguments)?;
        if !output.status.success() {
            return Err(format!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// As [`Scene::cli`], whatever comes of it.
    ///
    /// # Errors
    ///
    /// It does not run, or does not answer as it should.
    pub fn cli_output(&self, arguments: &[&str]) -> Outcome<Output> {
        let token: PathBuf = self.stack()?.folder().join("token");
        let output = Command::new(Program::Balancer.path()?)
            .args(arguments)
            .args(["--url", &self.balancer()?.url])
            .arg("--token-file")
            .arg(token)
            .output()?;
        Ok(output)
    }

    /// Waits for that many more looks of the balancer at the cluster.
    ///
    /// # Errors
    ///
    /// It does not run, or does not answer as it should.
    pub async fn ticks(&self, ticks: u32) -> Outcome {
        let mut last = self.state().await?.ticked_at_ms;
        let mut left = ticks;
        self.until("the balancer goes on looking", async |scene| {
            let now = scene.state().await?.ticked_at_ms;
            if now != last {
                last = now;
                left -= 1;
            }
            Ok(left == 0)
        })
        .await
    }

    /// Whether nothing is being executed and the last plan has ended.
    ///
    /// # Errors
    ///
    /// It does not run, or does not answer as it should.
    pub async fn is_done(&self) -> Outcome<bool> {
        let state = self.state().await?;
        Ok(state.phase == Phase::Watching && !self.history().await?.is_empty())
    }

    /// Lets the balancer bring to an end what it may have begun since the test looked last, and begin nothing more. One
    /// that has been ended, or that another one has fenced, has nothing to say.
    pub(super) async fn halt(&self) -> Outcome {
        match self.state().await {
            Ok(state) if state.phase != Phase::Fenced => {}
            _ => return Ok(()),
        }
        // As `stop` does it, which is an error when there is no plan.
        self.cli(&["mode", "observe"])?;
        self.until("what was begun is over", async |scene| {
            Ok(scene.state().await?.phase == Phase::Watching)
        })
        .await
    }

    pub(super) async fn account(&self) -> String {
        let Ok(balancer) = self.balancer() else {
            return String::new();
        };
        let mut account = String::new();
        for path in ["/v1/state", "/v1/brokers", "/v1/hot", "/v1/plan", "/v1/history"] {
            let answer: Result<serde_json::Value, _> = balancer.get(path).await;
            account += &format!("{path}: {answer:?}\n");
        }
        let log = balancer.process.log().unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        account + &lines[lines.len().saturating_sub(60)..].join("\n")
    }
}

fn alone(name: &str, adjust: impl FnOnce(&mut Config)) -> impl FnOnce(&mut Config) {
    move |config| {
        configure(config, name, Mode::Auto);
        config.heat.threshold = 2.0;
        config.heat.floor = PerResource::splat(1.0);
        config.execute.cool_down = Duration::ZERO;
        adjust(config);
    }
}
