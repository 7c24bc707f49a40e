//! What is asked of one Prometheus, and what has been found.

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::prometheus::{Prometheus, Rule};
use e2e::scene::Outcome;
use tokio::time::{Instant, sleep};

use crate::grafana::{self, Query, Values};
use crate::{EVERY, now};

/// How long a scrape of everything may take on a busy machine.
const SCRAPED_WITHIN: Duration = Duration::from_secs(60);

/// One question.
pub(crate) struct Asked {
    /// Where it is asked: a dashboard with its panel, or a rule.
    pub(crate) place: String,
    expression: String,
    is_instant: bool,
    of_a_rule: bool,
    is_found: bool,
    /// Labels that the legend names and no series has had yet.
    unnamed: BTreeSet<String>,
}

impl Asked {
    /// A query of a dashboard, filled in with what is chosen there.
    pub(crate) fn query(query: &Query, chosen: &Values) -> Outcome<Self> {
        let legend = grafana::fill(&query.legend, chosen)?;
        let labels = legend
            .split("{{")
            .skip(1)
            .filter_map(|rest| rest.split("}}").next());
        // Where nobody gives these labels there are none to be named.
        let names = |label: &&str| chosen.are_labelled || !["namespace", "kafka_cluster"].contains(label);
        Ok(Self {
            place: query.place.clone(),
            expression: grafana::fill(&query.expression, chosen)?,
            is_instant: query.is_instant,
            of_a_rule: false,
            is_found: false,
            unnamed: labels.map(str::trim).filter(names).map(str::to_owned).collect(),
        })
    }

    /// A part of a rule.
    pub(crate) fn part(rule: &Rule, part: String) -> Self {
        Self {
            place: rule.name.clone(),
            expression: part,
            is_instant: true,
            of_a_rule: true,
            is_found: false,
            unnamed: BTreeSet::new(),
        }
    }

    /// Whether something was found, with all that its legend names.
    pub(crate) fn has_data(&self) -> bool {
        self.is_found && self.unnamed.is_empty()
    }

    async fn ask(&mut self, prometheus: &Prometheus, (from, to): (f64, f64)) -> Outcome {
        let series = if self.is_instant {
            prometheus.at(to, &self.expression).await?
        } else {
            prometheus.over((from, to), &self.expression).await?
        };
        for series in series.iter().filter(|series| !series.samples.is_empty()) {
            self.is_found = true;
            self.unnamed.retain(|label| !series.labels.contains_key(label));
        }
        Ok(())
    }
}

/// All that is asked of one Prometheus.
pub(crate) struct Round<'a> {
    /// How its targets are labelled.
    pub(crate) way: &'static str,
    prometheus: &'a Prometheus,
    all: Vec<Asked>,
}

impl<'a> Round<'a> {
    pub(crate) fn new(way: &'static str, prometheus: &'a Prometheus) -> Self {
        let all = Vec::new();
        Self { way, prometheus, all }
    }

    pub(crate) fn ask(&mut self, asked: Asked) {
        self.all.push(asked);
    }

    /// Waits until everything has been scraped after a time, in seconds since the Unix epoch.
    pub(crate) async fn until_scraped(&self, time: f64) -> Outcome {
        let deadline = Instant::now() + SCRAPED_WITHIN;
        let scraped = format!("min(timestamp(up)) > {time}");
        while self.prometheus.at(now()?, &scraped).await?.is_empty() {
            if Instant::now() > deadline {
                return Err(format!("{}: not everything is scraped", self.way).into());
            }
            sleep(EVERY / 10).await;
        }
        Ok(())
    }

    /// Asks what has found nothing yet, and returns where it has now.
    pub(crate) async fn look(&mut self, window: (f64, f64)) -> Outcome<Vec<&str>> {
        let mut found = Vec::new();
        for asked in self.all.iter_mut().filter(|asked| !asked.has_data()) {
            asked.ask(self.prometheus, window).await?;
            found.extend(asked.has_data().then_some(asked.place.as_str()));
        }
        Ok(found)
    }

    /// The queries of dashboards.
    pub(crate) fn queries(&self) -> impl Iterator<Item = &Asked> {
        self.all.iter().filter(|asked| !asked.of_a_rule)
    }

    /// Whether each part of a rule has found something.
    pub(crate) fn has_all_of(&self, rule: &Rule) -> bool {
        let mut parts = self
            .all
            .iter()
            .filter(|asked| asked.of_a_rule && asked.place == rule.name)
            .peekable();
        parts.peek().is_some() && parts.all(Asked::has_data)
    }

    /// In words, what has found nothing.
    pub(crate) fn missing(&self) -> Vec<String> {
        let lacks = |asked: &Asked| match asked.is_found {
            false => "finds nothing".to_owned(),
            true => format!("has no label {:?} for its legend", asked.unnamed),
        };
        let missing = self.all.iter().filter(|asked| !asked.has_data());
        missing
            .map(|asked| {
                format!(
                    "{} {}, {}: {}",
                    asked.place,
                    lacks(asked),
                    self.way,
                    asked.expression
                )
            })
            .collect()
    }
}
