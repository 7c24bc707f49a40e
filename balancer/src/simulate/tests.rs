//! What a simulated day shows.

use std::io::Cursor;

use super::*;
use crate::instances::Instance;
use crate::model::snapshot;

fn settings(hours: u64) -> Settings {
    Settings {
        length: Duration::from_secs(hours * 3600),
        tick: Duration::from_secs(10),
        detect: DetectSettings::default(),
        plan: PlanSettings {
            target: 0.05,
            ..PlanSettings::default()
        },
        limits: Limits::default(),
    }
}

/// A cluster that is as balanced as the planner can make it.
fn balanced() -> Model {
    let start = Instance {
        brokers: 9,
        partitions: 300,
        utilisation: 0.3,
        ..Instance::default()
    };
    let model = start.model();
    let closely = PlanSettings {
        target: 0.02,
        threshold: 0.02,
        ..PlanSettings::default()
    };
    let made = plan(&PlanRequest {
        model: &model,
        purpose: Purpose::Rebalance,
        settings: closely.clone(),
    });
    let mut cluster = Cluster::new(&model, Limits::default());
    cluster.start(made, Duration::ZERO);
    while cluster.is_busy() {
        let current = cluster.model().clone();
        let day = Duration::from_secs(86_400);
        cluster.go_on((&current, &current), &closely, day, &mut Side::default());
    }
    cluster.model().clone()
}

fn live(model: &Model, events: Events, hours: u64) -> Report {
    let settings = settings(hours);
    let day = Day::new(model, events, settings.length, 7);
    match simulate(model, (day.clone(), day), &settings, |_| {}) {
        Ok(report) => report,
        Err(never) => match never {},
    }
}

const QUIET: Events = Events {
    ramp: 0.0,
    bursts: 0,
    shifts: 0,
    growth: 0.0,
    broker_loss: false,
};

#[test]
fn a_balanced_cluster_under_an_even_load_is_left_alone_all_day() {
    let report = live(&balanced(), QUIET, 24);
    assert_eq!((report.balanced.plans, report.balanced.bytes_copied), (0, 0));
}

#[test]
fn a_day_of_ramps_and_shifts_is_far_calmer_with_the_balancer_and_next_to_nothing_goes_to_and_fro() {
    let events = Events {
        ramp: 0.5,
        shifts: 4,
        growth: 0.2,
        ..QUIET
    };
    let report = live(&balanced(), events, 12);
    let (with, without) = (&report.balanced, &report.left_alone);
    let all = |side: &Side| Resource::ALL.iter().map(|&r| side.excess_seconds[r]).sum::<f64>();
    assert!(all(with) < 0.35 * all(without), "{report:#?}");
    let changes = with.leadership_changes + with.replica_moves;
    assert!(with.oscillations * 20 <= changes && changes > 0, "{report:#?}");
}

#[test]
fn spikes_of_seconds_are_not_answered_with_gigabytes() {
    let bursts = Events { bursts: 40, ..QUIET };
    let report = live(&balanced(), bursts, 12);
    // 9 brokers of 1 TB each, used to 30 %.
    assert!(report.balanced.bytes_copied < 60_000_000_000, "{report:#?}");
    assert!(report.balanced.episodes > 5, "{report:#?}");
}

#[test]
fn a_broker_that_is_lost_for_half_an_hour_is_emptied_only_after_its_grace() {
    let lost = Events {
        broker_loss: true,
        ..QUIET
    };
    let report = live(&balanced(), lost, 4);
    assert!(report.balanced.replica_moves > 0, "{report:#?}");
    assert_eq!(report, live(&balanced(), lost, 4));
}

#[test]
fn a_recorded_day_is_read_line_by_line_and_a_line_that_is_none_is_named() {
    let model = balanced();
    let mut text = Vec::new();
    for factor in [1.0, 3.0] {
        let hot = crate::model::PartitionIndex(0);
        let scaled = model.with_loads(|row| {
            let mut load = *model.load(row);
            if row == hot {
                load.bytes_out *= factor;
            }
            load
        });
        snapshot::write(&scaled, &mut text).unwrap();
        text.push(b'\n');
    }
    let open = |text: &[u8]| Recording::open(Cursor::new(text.to_vec()), Duration::from_secs(60));
    let both = (open(&text).unwrap(), open(&text).unwrap());
    let start = both.0.start().clone();
    assert_eq!(start.replica_count(), model.replica_count());
    simulate(&start, both, &settings(1), |_| {}).unwrap();

    text.extend_from_slice(b"{}\n");
    let both = (open(&text).unwrap(), open(&text).unwrap());
    let error = simulate(&start, both, &settings(1), |_| {}).unwrap_err();
    assert!(error.to_string().starts_with("line 3: "), "{error}");
    assert!(matches!(open(b"\n"), Err(RecordingError::Empty)));
}
