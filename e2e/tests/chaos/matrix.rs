//! The matrix of faults and what came of them, for people and for whoever compares runs.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use e2e::Layout;
use e2e::scene::{Outcome, Scene};
use serde::{Deserialize, Serialize};

/// What came of one kind of fault.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) fault: String,
    /// Kafka's version and mode.
    pub(crate) kafka: String,
    /// How many times it struck, at different points.
    pub(crate) points: usize,
    /// How many moves ended in each way.
    pub(crate) outcomes: BTreeMap<String, usize>,
    /// Throttles, reassignments and partitions below their minimum that were left when all was over. A test that finds
    /// any fails before it has a row to record.
    pub(crate) leftovers: usize,
    /// After a balancer was killed, the longest time from its readiness to the next right thing done; after any other
    /// fault, from its end to the end of all moves with nothing left.
    pub(crate) recovery_seconds_max: f64,
}

/// The version and the mode of a cluster in words.
pub(crate) fn version(layout: &Layout) -> String {
    format!("{} {:?}", layout.version, layout.mode)
}

/// Says something to whoever watches the test.
pub(crate) fn say(line: &str) -> Outcome {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

/// Puts in what came of a fault in a scene of which nothing is left.
pub(crate) fn record_end(
    scene: &Scene,
    fault: &str,
    points: usize,
    outcomes: BTreeMap<String, usize>,
    recovery_seconds_max: f64,
) -> Outcome {
    record(Row {
        fault: fault.to_owned(),
        kafka: version(scene.kafka.layout()),
        points,
        outcomes,
        leftovers: 0,
        recovery_seconds_max,
    })
}

/// Puts a row into the matrix, in the place of the one that an earlier run put there.
pub(crate) fn record(row: Row) -> Outcome {
    say(&format!("{row:?}"))?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/e2e");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("chaos.json");
    let before = std::fs::read(&file).unwrap_or_default();
    let mut rows: Vec<Row> = serde_json::from_slice(&before).unwrap_or_default();
    rows.retain(|old| (&old.fault, &old.kafka) != (&row.fault, &row.kafka));
    rows.push(row);
    Ok(std::fs::write(file, serde_json::to_vec_pretty(&rows)?)?)
}
