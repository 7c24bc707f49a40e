//! Families of what was read of MBeans, in a dialect.

use serde_json::Value;

use super::dialect::Dialect;
use super::families::{Families, Series};
use super::jvm::add_jvm;
use super::text::Kind;
use crate::config::Names;
use crate::jolokia::{Bean, ObjectName, exact_sum};

/// What was read, under the names that dashboards use.
pub fn jmx_families(beans: &[Bean], names: Names) -> Families {
    let mut families = Families::default();
    for bean in beans {
        if bean.name.domain == "java.lang" {
            add_jvm(&mut families, bean);
        } else if bean.name.property("name").is_some() {
            Kafka::new(&mut families, bean, names).add_yammer();
        } else {
            Kafka::new(&mut families, bean, names).add_client_style();
        }
    }
    families
}

/// An MBean of Kafka's on its way to families.
struct Kafka<'a> {
    families: &'a mut Families,
    bean: &'a Bean,
    dialect: &'static Dialect,
    /// Domain and type, in the dialect.
    base: String,
    /// What a reader is told that it is of: the MBean without its labels.
    source: String,
}

impl<'a> Kafka<'a> {
    fn new(families: &'a mut Families, bean: &'a Bean, names: Names) -> Self {
        let dialect: &Dialect = names.into();
        let ObjectName { domain, .. } = &bean.name;
        let kind = bean.name.property("type").unwrap_or_default();
        let (base, source) = match bean.name.property("name") {
            Some(name) => (
                format!("{domain}_{kind}"),
                format!("{domain}:type={kind},name={name}"),
            ),
            None => (
                format!("{domain}_{}", (dialect.group)(kind)),
                format!("{domain}:type={kind}"),
            ),
        };
        Self {
            families,
            bean,
            dialect,
            base,
            source,
        }
    }

    /// Kafka's older metrics: one MBean a figure, its name in the key property `name`.
    fn add_yammer(mut self) {
        let (bean, dialect) = (self.bean, self.dialect);
        let name = bean.name.property("name").unwrap_or_default();
        let labels = self.labels(&["type", "name"], str::to_owned);
        let mut add = |name: &str, kind, attribute: &str, value| {
            self.add(name, kind, attribute, Series::new(labels.clone(), value));
        };
        if let Some(value) = bean.number("Value") {
            add(&(dialect.gauge)(name), Kind::Gauge, "Value", value);
        }
        let Some(count) = bean.number("Count") else { return };
        if let Some(mean) = bean.number("Mean") {
            self.add_summary(name, &labels, count, mean);
        } else if name.ends_with("Percent") {
            let (time, nanoseconds) = (dialect.time)(name);
            add(&time, Kind::Counter, "Count", count / nanoseconds);
            if let Some(share) = bean.number("OneMinuteRate") {
                add(&(dialect.share)(name), Kind::Gauge, "OneMinuteRate", share);
            }
        } else {
            add(&(dialect.counter)(name), Kind::Counter, "Count", count);
        }
    }

    /// A histogram. Its quantiles are Kafka's, over a sample that decays; sum and count are exact.
    fn add_summary(&mut self, name: &str, labels: &[(String, String)], count: f64, mean: f64) {
        const QUANTILES: [(&str, &str); 3] = [
            ("50thPercentile", "0.50"),
            ("99thPercentile", "0.99"),
            ("999thPercentile", "0.999"),
        ];
        let bean = self.bean;
        let mut add = |suffix, labels, value| {
            let series = Series {
                suffix,
                labels,
                value,
            };
            self.add(name, Kind::Summary, "Percentiles, Mean × Count and Count", series);
        };
        for (attribute, quantile) in QUANTILES {
            if let Some(value) = bean.number(attribute) {
                let mut labels = labels.to_vec();
                labels.push(("quantile".to_owned(), quantile.to_owned()));
                add("", labels, value);
            }
        }
        add("_sum", labels.to_vec(), exact_sum(count, mean));
        add("_count", labels.to_vec(), count);
    }

    /// Kafka's newer metrics: one MBean a group, a figure to each attribute.
    fn add_client_style(mut self) {
        let bean = self.bean;
        let labels = self.labels(&["type"], self.dialect.label);
        for (attribute, value) in &bean.attributes {
            let mut labels = labels.clone();
            let (kind, value) = match value {
                Value::String(state) if attribute == "current-state" => {
                    labels.push(("current_state".to_owned(), state.clone()));
                    (Kind::Gauge, Some(1.0))
                }
                _ if attribute.ends_with("-total") => (Kind::Counter, bean.number(attribute)),
                _ => (Kind::Gauge, bean.number(attribute)),
            };
            if let Some(value) = value {
                self.add(attribute, kind, attribute, Series::new(labels, value));
            }
        }
    }

    fn add(&mut self, name: &str, kind: Kind, attribute: &str, series: Series) {
        let name = legal(&format!("{}_{name}", self.base)).to_ascii_lowercase();
        let help = || format!("{attribute} of {}.", self.source);
        self.families.add(&name, kind, help, series);
    }

    /// All key properties but those in `but`, as labels.
    fn labels(&self, but: &[&str], name: fn(&str) -> String) -> Vec<(String, String)> {
        let properties = self.bean.name.properties.iter();
        let others = properties.filter(|(key, _)| !but.contains(&key.as_str()));
        others
            .map(|(key, value)| (legal(&name(key)), value.clone()))
            .collect()
    }
}

/// A name of characters that Prometheus allows.
fn legal(text: &str) -> String {
    let legal = |c: char| {
        if c.is_ascii_alphanumeric() || c == '_' {
            c
        } else {
            '_'
        }
    };
    text.chars().map(legal).collect()
}
