//! How good plans are, how long they take and how much memory: a table for people and `target/bench/planner.json`.
//!
//! Each instance is planned by the binary in a process of its own, from a snapshot to a plan, as its users do. The time is
//! that of the whole process, and the memory its peak.

#[expect(
    clippy::unwrap_used,
    reason = "a generator that makes no cluster has nothing to measure"
)]
mod instances;

use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use balancer::model::snapshot;
use balancer::plan::{Imbalance, Plan};
use comfy_table::{Table, presets};
use instances::Instance;
use serde::Serialize;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What was measured of one instance. Times in seconds, memory in 10^6 bytes.
#[derive(Debug, Serialize)]
struct Measured {
    name: String,
    brokers: usize,
    replicas: usize,
    seconds: f64,
    peak_mb: f64,
    imbalance_before: Imbalance,
    imbalance_after: Imbalance,
    imbalance_lower_bound: Imbalance,
    bytes_moved: u64,
    bytes_lower_bound: u64,
    leadership_changes: usize,
    replica_moves: usize,
}

fn main() -> Outcome<()> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
    std::fs::create_dir_all(&target)?;
    let mut measured = Vec::new();
    for (name, instance) in instances() {
        print(&format!("{name} …"));
        measured.push(measure(name, &instance, &target)?);
    }
    let table = table(&measured);
    print(&table);
    std::fs::write(target.join("planner.json"), serde_json::to_vec_pretty(&measured)?)?;
    std::fs::write(target.join("planner.md"), table)?;
    Ok(())
}

fn instances() -> Vec<(String, Instance)> {
    let sizes = [
        (6, 3, 1_000),
        (40, 4, 50_000),
        (200, 5, 200_000),
        (1_000, 10, 1_000_000),
    ];
    let mut all = Vec::new();
    for (brokers, racks, replicas) in sizes {
        let plain = Instance {
            brokers,
            racks,
            partitions: replicas / 3,
            partitions_exponent: 0.8,
            ..Instance::default()
        };
        let kinds = [
            ("skewed", plain.clone()),
            (
                "hot partition",
                Instance {
                    hot: Some(0.25),
                    seed: 2,
                    ..plain.clone()
                },
            ),
            (
                "drain",
                Instance {
                    draining: (brokers / 20).max(1),
                    utilisation: 0.4,
                    seed: 3,
                    ..plain.clone()
                },
            ),
            (
                "new brokers",
                Instance {
                    new: (brokers / 20).max(1),
                    seed: 4,
                    ..plain.clone()
                },
            ),
            (
                "unequal",
                Instance {
                    unequal: true,
                    seed: 5,
                    ..plain
                },
            ),
        ];
        for (kind, instance) in kinds {
            // The largest takes a while to generate, so it is planned for the first kinds only.
            if brokers < 1_000 || matches!(kind, "skewed" | "hot partition") {
                all.push((format!("{brokers} brokers, {kind}"), instance));
            }
        }
    }
    all
}

fn measure(name: String, instance: &Instance, folder: &Path) -> Outcome<Measured> {
    let model = instance.model();
    let file = folder.join("snapshot.json");
    snapshot::write(&model, File::create(&file)?)?;
    let (replicas, brokers) = (model.replica_count(), model.brokers().len());
    drop(model);
    let output = folder.join("plan.json");
    let start = Instant::now();
    let child = Command::new(binary())
        .args(["plan", "--output", "json", "--snapshot"])
        .arg(&file)
        .stdout(Stdio::from(File::create(&output)?))
        .spawn()?;
    let peak_mb = wait(child)?;
    let seconds = start.elapsed().as_secs_f64();
    let plan: Plan = serde_json::from_reader(std::io::BufReader::new(File::open(&output)?))?;
    std::fs::remove_file(file)?;
    std::fs::remove_file(output)?;
    Ok(Measured {
        name,
        brokers,
        replicas,
        seconds,
        peak_mb,
        imbalance_before: plan.imbalance_before,
        imbalance_after: plan.imbalance_after,
        imbalance_lower_bound: plan.imbalance_lower_bound,
        bytes_moved: plan.bytes,
        bytes_lower_bound: plan.bytes_lower_bound,
        leadership_changes: plan.leadership_changes(),
        replica_moves: plan.replica_moves(),
    })
}

/// Waits for a program that succeeds, and answers its peak memory in 10^6 bytes (`VmHWM`, proc_pid_status(5)).
fn wait(mut child: std::process::Child) -> Outcome<f64> {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0.0_f64;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
        peak = peak.max(kibibytes.unwrap_or(0.0) * 1024.0 / 1e6);
        match child.try_wait()? {
            Some(code) if code.success() => return Ok(peak),
            Some(code) => return Err(format!("the planner ended with {code}").into()),
            None => std::thread::sleep(std::time::Duration::from_millis(2)),
        }
    }
}

fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_kafka-balancer"))
}

fn table(measured: &[Measured]) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header([
        "instance",
        "replicas",
        "seconds",
        "peak MB",
        "imbalance before (in, out, CPU, disk)",
        "after",
        "no placement below",
        "GB moved",
        "bound",
        "ratio",
        "leaders",
        "copies",
    ]);
    for row in measured {
        let figures =
            |i: &Imbalance| format!("{:.2} {:.2} {:.2} {:.2}", i.bytes_in, i.bytes_out, i.cpu, i.disk);
        let ratio = row.bytes_moved as f64 / row.bytes_lower_bound.max(1) as f64;
        table.add_row([
            row.name.clone(),
            row.replicas.to_string(),
            format!("{:.2}", row.seconds),
            format!("{:.0}", row.peak_mb),
            figures(&row.imbalance_before),
            figures(&row.imbalance_after),
            figures(&row.imbalance_lower_bound),
            format!("{:.1}", row.bytes_moved as f64 / 1e9),
            format!("{:.1}", row.bytes_lower_bound as f64 / 1e9),
            if row.bytes_moved == 0 {
                "–".to_owned()
            } else {
                format!("{ratio:.2}")
            },
            row.leadership_changes.to_string(),
            row.replica_moves.to_string(),
        ]);
    }
    table.to_string() + "\n"
}

#[expect(clippy::print_stdout, reason = "what a benchmark finds is for people to read")]
fn print(text: &str) {
    println!("{text}");
}
