//! What all schedules together came to: `target/simulation.json` and a table.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::schedule::Account;
use super::trouble::Trouble;

/// The most failures that are told in full.
const MOST_TOLD: usize = 10;

/// What all schedules together came to.
#[derive(Default)]
pub(crate) struct Summary {
    pub(crate) schedules: u64,
    faults: BTreeMap<Trouble, u64>,
    outcomes: BTreeMap<String, u64>,
    plans: u64,
    copies: u64,
    leftovers: u64,
    simulated: Duration,
    pub(crate) failures: Vec<Failure>,
}

/// A schedule that did not end well.
pub(crate) struct Failure {
    seed: u64,
    why: String,
    needed: BTreeSet<Trouble>,
}

impl Failure {
    fn command(&self) -> String {
        let kinds: Vec<String> = self.needed.iter().map(|kind| kind.name()).collect();
        format!(
            "cargo test --release -p balancer --test simulation -- --seed {} --only {}",
            self.seed,
            kinds.join(",")
        )
    }
}

impl Summary {
    pub(crate) fn add(&mut self, seed: u64, account: &Account, failed: Option<(String, BTreeSet<Trouble>)>) {
        self.schedules += 1;
        for (kind, count) in &account.faults {
            *self.faults.entry(*kind).or_default() += count;
        }
        for (outcome, count) in &account.outcomes {
            *self.outcomes.entry(outcome.clone()).or_default() += count;
        }
        self.plans += account.plans;
        self.copies += account.copies;
        self.leftovers += account.leftovers;
        self.simulated += account.simulated;
        if let Some((why, needed)) = failed {
            let failure = Failure { seed, why, needed };
            eprintln!(
                "seed {seed} fails: {}\n  {}",
                first_lines(&failure.why),
                failure.command()
            );
            self.failures.push(failure);
        }
    }

    pub(crate) fn write(&self, took: Duration) -> std::io::Result<()> {
        let faults: BTreeMap<String, u64> = self
            .faults
            .iter()
            .map(|(kind, count)| (kind.name(), *count))
            .collect();
        let failures: Vec<_> = self
            .failures
            .iter()
            .map(|failure| json!({"seed": failure.seed, "why": failure.why, "replay": failure.command()}))
            .collect();
        let summary = json!({
            "schedules": self.schedules,
            "seconds": took.as_secs_f64(),
            "simulated_hours": self.simulated.as_secs_f64() / 3600.0,
            "failures": failures,
            "leftovers": self.leftovers,
            "faults": faults,
            "plans": self.plans,
            "copies": self.copies,
            "outcomes": self.outcomes,
        });
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
        std::fs::create_dir_all(&target)?;
        std::fs::write(target.join("simulation.json"), format!("{summary:#}\n"))
    }

    pub(crate) fn print(&self, took: Duration) {
        println!(
            "{} schedules of {:.0} simulated hours in {took:.1?}: {} plans, {} copies, {} leftovers",
            self.schedules,
            self.simulated.as_secs_f64() / 3600.0,
            self.plans,
            self.copies,
            self.leftovers
        );
        for (kind, count) in &self.faults {
            println!("  {:<18} {count:>9}", kind.name());
        }
        println!("moves ended");
        for (outcome, count) in &self.outcomes {
            println!("  {outcome:<18} {count:>9}");
        }
        for failure in self.failures.iter().take(MOST_TOLD) {
            println!(
                "\nseed {} fails: {}\n  {}",
                failure.seed,
                failure.why,
                failure.command()
            );
        }
        let failed = self.failures.len() as u64;
        println!("\n{} passed, {failed} failed", self.schedules - failed);
    }
}

fn first_lines(text: &str) -> String {
    text.lines().take(3).collect::<Vec<_>>().join("\n")
}
