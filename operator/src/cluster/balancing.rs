//! The balancer's configuration from what the spec says of it.
//!
//! What is built is read by the balancer's own reader of configurations, which has the bounds: what the spec may say is
//! what the balancer takes.

use balancer::config::Config;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kafka::settings::{ByteRate, ByteSize, SettingsError, parse};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::problem::Problems;
use super::quantity::{Amount, BYTES};
use crate::crd::{BalancerSpec, Limits, MaintenanceWindow, Thresholds};

/// One setting: where the balancer's configuration and where the spec has it.
struct Setting {
    section: &'static str,
    key: &'static str,
    field: &'static str,
    value: Value,
}

/// Stands where a configuration must say how the cluster is reached, which is decided when it is built.
const SOMEWHERE: &str = "kafka:9091";

pub(super) fn read(spec: &BalancerSpec, problems: &mut Problems) -> Option<Config> {
    let settings = Settings::of(spec, problems);
    let mut tree = Map::new();
    tree.insert("kafka".to_owned(), json!({"bootstrap": [SOMEWHERE]}));
    tree.insert("mode".to_owned(), json!(spec.mode));
    for setting in &settings {
        let section = tree.entry(setting.section).or_insert_with(|| json!({}));
        if let Some(section) = section.as_object_mut() {
            section.insert(setting.key.to_owned(), setting.value.clone());
        }
    }
    // JSON is YAML, too.
    match parse::<Config>(&Value::Object(tree).to_string(), "of the balancer") {
        Ok(config) => Some(config),
        Err(SettingsError::Invalid { problems: found, .. }) => {
            for problem in found.0 {
                let field = settings
                    .iter()
                    .find(|setting| {
                        problem
                            .path
                            .starts_with(&format!("{}.{}", setting.section, setting.key))
                    })
                    .map_or(problem.path.as_str(), |setting| setting.field);
                problems.note(
                    format!("spec.balancer.{field}"),
                    problem.message,
                    "write what is allowed",
                );
            }
            None
        }
        Err(other) => {
            problems.note("spec.balancer", other.to_string(), "remove what was changed last");
            None
        }
    }
}

/// What the spec says, and what of it cannot be.
struct Settings<'a> {
    all: Vec<Setting>,
    problems: &'a mut Problems,
}

impl Settings<'_> {
    fn of(spec: &BalancerSpec, problems: &mut Problems) -> Vec<Setting> {
        let mut settings = Settings {
            all: Vec::new(),
            problems,
        };
        if let Some(thresholds) = &spec.thresholds {
            settings.thresholds(thresholds);
        }
        if let Some(limits) = &spec.limits {
            settings.limits(limits);
        }
        if let Some(capacity) = &spec.capacity {
            settings.rate(
                "capacity",
                "bytes_in",
                "capacity.bytesIn",
                capacity.bytes_in.as_ref(),
            );
            settings.rate(
                "capacity",
                "bytes_out",
                "capacity.bytesOut",
                capacity.bytes_out.as_ref(),
            );
        }
        if let Some(excluded) = &spec.excluded {
            settings.set("exclude", "topics", "excluded.topics", Some(&excluded.topics));
            settings.set("exclude", "brokers", "excluded.brokers", Some(&excluded.brokers));
        }
        if !spec.windows.is_empty() {
            let windows: Vec<Value> = spec.windows.iter().map(window).collect();
            settings.set("execute", "windows", "windows", Some(windows));
        }
        settings.all
    }

    fn thresholds(&mut self, thresholds: &Thresholds) {
        let floor = |floor: f64| json!({"bytes_in": floor, "bytes_out": floor, "cpu": floor, "disk": floor});
        let hold = thresholds.hold_seconds.map(seconds);
        self.set("heat", "threshold", "thresholds.imbalance", thresholds.imbalance);
        self.set("heat", "floor", "thresholds.floor", thresholds.floor.map(floor));
        self.set("heat", "hold", "thresholds.holdSeconds", hold);
        self.set("heat", "skew", "thresholds.skew", thresholds.skew);
    }

    fn limits(&mut self, limits: &Limits) {
        let (per_broker, per_cluster) = (limits.moves_per_broker, limits.moves_per_cluster);
        let cool_down = limits.cool_down_seconds.map(seconds);
        self.set("execute", "moves_per_broker", "limits.movesPerBroker", per_broker);
        self.set(
            "execute",
            "moves_per_cluster",
            "limits.movesPerCluster",
            per_cluster,
        );
        self.set(
            "execute",
            "moves_per_hour",
            "limits.movesPerHour",
            limits.moves_per_hour,
        );
        self.size(
            "execute",
            "bytes_per_hour",
            "limits.bytesPerHour",
            limits.bytes_per_hour.as_ref(),
        );
        self.rate(
            "execute",
            "throttle_floor",
            "limits.throttleFloor",
            limits.throttle_floor.as_ref(),
        );
        self.set("execute", "cool_down", "limits.coolDownSeconds", cool_down);
        self.size(
            "plan",
            "max_bytes",
            "limits.bytesPerPlan",
            limits.bytes_per_plan.as_ref(),
        );
        self.set("plan", "headroom", "limits.headroom", limits.headroom);
    }

    fn set(
        &mut self,
        section: &'static str,
        key: &'static str,
        field: &'static str,
        value: Option<impl Serialize>,
    ) {
        self.all.extend(value.map(|value| Setting {
            section,
            key,
            field,
            value: json!(value),
        }));
    }

    fn size(
        &mut self,
        section: &'static str,
        key: &'static str,
        field: &'static str,
        quantity: Option<&Quantity>,
    ) {
        let size = self.bytes(field, quantity).map(ByteSize::from_bytes);
        self.set(section, key, field, size);
    }

    fn rate(
        &mut self,
        section: &'static str,
        key: &'static str,
        field: &'static str,
        quantity: Option<&Quantity>,
    ) {
        let rate = self.bytes(field, quantity).map(ByteRate::from_bytes_per_second);
        self.set(section, key, field, rate);
    }

    fn bytes(&mut self, field: &str, quantity: Option<&Quantity>) -> Option<u64> {
        let amount = Amount::parse(quantity?, BYTES);
        let field = format!("spec.balancer.{field}");
        self.problems
            .check(field, "write bytes such as 5M or 500G", amount)
            .map(|amount| amount.number())
    }
}

fn seconds(seconds: u32) -> String {
    format!("{seconds}s")
}

fn window(window: &MaintenanceWindow) -> Value {
    json!({"days": window.days, "from": window.from, "to": window.to})
}
