//! The balancer's configuration from what the spec says of it.
//!
//! What is built is read by the balancer's own reader of configurations, which has the bounds: what the spec may say is
//! what the balancer takes.

use balancer::config::Config;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kafka::settings::{ByteRate, ByteSize, SettingsError, parse};
use serde_json::{Map, Value, json};

use super::problem::Problems;
use super::quantity::{Amount, BYTES};
use crate::crd::{BalancerSpec, MaintenanceWindow};

/// One setting: where the balancer's configuration and where the spec has it.
struct Setting {
    section: &'static str,
    key: &'static str,
    field: &'static str,
    value: Value,
}

pub(super) fn read(spec: &BalancerSpec, address: &str, problems: &mut Problems) -> Option<Config> {
    let settings = settings(spec, problems);
    let mut tree = Map::new();
    tree.insert("kafka".to_owned(), json!({"bootstrap": [address]}));
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

fn settings(spec: &BalancerSpec, problems: &mut Problems) -> Vec<Setting> {
    let mut all = Vec::new();
    let mut set = |section, key, field, value: Option<Value>| {
        all.extend(value.map(|value| Setting {
            section,
            key,
            field,
            value,
        }));
    };
    if let Some(thresholds) = &spec.thresholds {
        let floor = |floor| json!({"bytes_in": floor, "bytes_out": floor, "cpu": floor, "disk": floor});
        set(
            "heat",
            "threshold",
            "thresholds.imbalance",
            thresholds.imbalance.map(Value::from),
        );
        set("heat", "floor", "thresholds.floor", thresholds.floor.map(floor));
        set(
            "heat",
            "hold",
            "thresholds.holdSeconds",
            thresholds.hold_seconds.map(seconds),
        );
        set(
            "heat",
            "skew",
            "thresholds.skew",
            thresholds.skew.map(Value::from),
        );
    }
    if let Some(limits) = &spec.limits {
        let mut bytes = |field, quantity: &Option<Quantity>| size(field, quantity.as_ref(), problems);
        let per_hour = bytes("limits.bytesPerHour", &limits.bytes_per_hour).map(ByteSize::from_bytes);
        let per_plan = bytes("limits.bytesPerPlan", &limits.bytes_per_plan).map(ByteSize::from_bytes);
        let floor = bytes("limits.throttleFloor", &limits.throttle_floor);
        let floor = floor.map(ByteRate::from_bytes_per_second);
        let number = |number: Option<u32>| number.map(Value::from);
        set(
            "execute",
            "moves_per_broker",
            "limits.movesPerBroker",
            number(limits.moves_per_broker),
        );
        set(
            "execute",
            "moves_per_cluster",
            "limits.movesPerCluster",
            number(limits.moves_per_cluster),
        );
        set(
            "execute",
            "moves_per_hour",
            "limits.movesPerHour",
            number(limits.moves_per_hour),
        );
        set(
            "execute",
            "bytes_per_hour",
            "limits.bytesPerHour",
            per_hour.map(|size| json!(size)),
        );
        set(
            "execute",
            "throttle_floor",
            "limits.throttleFloor",
            floor.map(|rate| json!(rate)),
        );
        set(
            "execute",
            "cool_down",
            "limits.coolDownSeconds",
            limits.cool_down_seconds.map(seconds),
        );
        set(
            "plan",
            "max_bytes",
            "limits.bytesPerPlan",
            per_plan.map(|size| json!(size)),
        );
        set(
            "plan",
            "headroom",
            "limits.headroom",
            limits.headroom.map(Value::from),
        );
    }
    if let Some(capacity) = &spec.capacity {
        let mut rate = |field, quantity: &Option<Quantity>| {
            let bytes = size(field, quantity.as_ref(), problems)?;
            Some(json!(ByteRate::from_bytes_per_second(bytes)))
        };
        let (received, sent) = (
            rate("capacity.bytesIn", &capacity.bytes_in),
            rate("capacity.bytesOut", &capacity.bytes_out),
        );
        set("capacity", "bytes_in", "capacity.bytesIn", received);
        set("capacity", "bytes_out", "capacity.bytesOut", sent);
    }
    if let Some(excluded) = &spec.excluded {
        set(
            "exclude",
            "topics",
            "excluded.topics",
            Some(json!(excluded.topics)),
        );
        set(
            "exclude",
            "brokers",
            "excluded.brokers",
            Some(json!(excluded.brokers)),
        );
    }
    if !spec.windows.is_empty() {
        let windows: Vec<Value> = spec.windows.iter().map(window).collect();
        set("execute", "windows", "windows", Some(json!(windows)));
    }
    all
}

fn seconds(seconds: u32) -> Value {
    json!(format!("{seconds}s"))
}

fn window(window: &MaintenanceWindow) -> Value {
    json!({"days": window.days, "from": window.from, "to": window.to})
}

fn size(field: &str, quantity: Option<&Quantity>, problems: &mut Problems) -> Option<u64> {
    let amount = Amount::parse(quantity?, BYTES);
    problems
        .check(
            format!("spec.balancer.{field}"),
            "write bytes such as 5M or 500G",
            amount,
        )
        .map(|amount| amount.number())
}
