//! Copies in clusters whose networks and disks are near their limits, on real Kafka: what producers notice of them.
//!
//! Each test measures producers' latencies before, during the execution of a plan, and, so that it shows that they do
//! depend on copies, during copies that nobody throttles. The figures go into `target/e2e/limits.json`. It takes ten minutes, root,
//! and a machine with little else to do: `make limits` runs it.

mod copies;
mod disks;
mod figures;
mod near;
mod network;

use e2e::scene::{Outcome, say};

/// Whether it is to be measured at all.
fn is_wanted() -> Outcome<bool> {
    let is_wanted = std::env::var_os("LIMITS").is_some();
    if !is_wanted {
        say(
            "nothing is proven here: this takes ten minutes, root and a quiet machine, and runs by `make limits`",
        )?;
    }
    Ok(is_wanted)
}
