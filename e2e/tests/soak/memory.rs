//! What memory the programs take, from beginning to end.

use std::collections::BTreeMap;
use std::time::Duration;

use e2e::{Service, Stack, process};
use serde::Serialize;
use tokio::time::Instant;

/// A program has taken what it needs by then.
const WARM: Duration = Duration::from_secs(60);
/// Growth beyond this, in KiB, and beyond half of what it was is not flat.
const SOME: u64 = 10 << 10;

/// Resident memory of each process.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Memory {
    /// By program and process id.
    programs: BTreeMap<String, Use>,
}

/// Resident memory of a process in KiB.
#[derive(Debug, Serialize)]
struct Use {
    #[serde(skip)]
    since: Instant,
    /// When it was warm, or the first time if it never was.
    first: u64,
    last: u64,
    warm: bool,
}

impl Memory {
    pub(crate) fn look(&mut self, stack: &Stack) {
        self.look_at("balancer", &stack.balancer);
        for (broker, sidecar) in &stack.sidecars {
            self.look_at(&format!("sidecar of broker {broker}"), sidecar);
        }
        if let Some(offsets) = &stack.offsets {
            self.look_at("offsets", offsets);
        }
    }

    fn look_at(&mut self, name: &str, service: &Service) {
        let id = service.process.pid();
        let Ok(now) = process::Memory::of(id) else {
            return;
        };
        let resident = now.resident;
        let found = self.programs.entry(format!("{name} ({id})")).or_insert(Use {
            since: Instant::now(),
            first: resident,
            last: resident,
            warm: false,
        });
        if !found.warm && found.since.elapsed() >= WARM {
            found.warm = true;
            found.first = resident;
        }
        found.last = resident;
    }

    pub(crate) fn is_flat(&self) -> bool {
        let mut warm = self.programs.values().filter(|found| found.warm);
        warm.all(|found| found.last <= found.first + SOME.max(found.first / 2))
    }
}
