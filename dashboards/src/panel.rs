//! Panels, of Grafana's own kinds only.

use serde_json::{Value, json};

use crate::dashboard::data_source;
use crate::field::{Thresholds, Unit, Word, mappings};
use crate::query::Query;

mod options;

/// A panel.
#[derive(Debug, Clone)]
pub(crate) struct Panel {
    kind: Kind,
    title: &'static str,
    description: &'static str,
    unit: Unit,
    decimals: Option<u8>,
    range: (Option<f64>, Option<f64>),
    thresholds: Thresholds,
    words: Vec<Word>,
    absent: Option<&'static str>,
    queries: Vec<Query>,
    leads_to: Option<&'static str>,
}

/// What kind of panel it is.
#[derive(Debug, Clone)]
enum Kind {
    /// One figure.
    Stat,
    /// The labels of the one series that there is.
    Name,
    /// Lines over time.
    Lines,
    /// Areas over time, one upon the other.
    Stack,
    /// Bars over time, one upon the other.
    Bars,
    /// A bar for each series, as long as its figure.
    Gauges,
    /// Time by series, with a colour for the figure.
    Heatmap,
    /// Time by series, with a colour for each word.
    States,
    /// A row for each set of labels.
    Table(Vec<Column>),
}

/// A column of a table.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// A label, or `Value #` and the letter of a query.
    pub(crate) field: &'static str,
    /// What is written above it.
    pub(crate) title: &'static str,
    /// The unit of figures; none for a label.
    pub(crate) unit: Option<Unit>,
    /// From which figures on which colour counts.
    pub(crate) thresholds: Option<Thresholds>,
}

impl Column {
    /// A label.
    pub(crate) fn label(field: &'static str, title: &'static str) -> Self {
        Self {
            field,
            title,
            unit: None,
            thresholds: None,
        }
    }

    /// A figure.
    pub(crate) fn figure(field: &'static str, title: &'static str, unit: Unit) -> Self {
        Self {
            unit: Some(unit),
            ..Self::label(field, title)
        }
    }

    /// With colours.
    pub(crate) fn coloured(self, thresholds: Thresholds) -> Self {
        Self {
            thresholds: Some(thresholds),
            ..self
        }
    }
}

impl Panel {
    /// One figure.
    pub(crate) fn stat(title: &'static str, description: &'static str, unit: Unit) -> Self {
        Self::of(Kind::Stat, title, description, unit)
    }

    /// The labels of the one series that there is, in place of its figure.
    pub(crate) fn name(title: &'static str, description: &'static str) -> Self {
        Self::of(Kind::Name, title, description, Unit::Count)
    }

    /// Lines over time.
    pub(crate) fn lines(title: &'static str, description: &'static str, unit: Unit) -> Self {
        Self::of(Kind::Lines, title, description, unit)
    }

    /// Areas over time, one upon the other.
    pub(crate) fn stack(title: &'static str, description: &'static str, unit: Unit) -> Self {
        Self::of(Kind::Stack, title, description, unit)
    }

    /// Bars over time, one upon the other.
    pub(crate) fn bars(title: &'static str, description: &'static str, unit: Unit) -> Self {
        Self::of(Kind::Bars, title, description, unit)
    }

    /// A bar for each series, as long as its figure.
    pub(crate) fn gauges(title: &'static str, description: &'static str, unit: Unit) -> Self {
        Self::of(Kind::Gauges, title, description, unit)
    }

    /// Time by series, with a colour for the figure.
    pub(crate) fn heatmap(title: &'static str, description: &'static str, unit: Unit) -> Self {
        Self::of(Kind::Heatmap, title, description, unit)
    }

    /// Time by series, with a colour for each word.
    pub(crate) fn states(title: &'static str, description: &'static str, words: &[Word]) -> Self {
        Self::of(Kind::States, title, description, Unit::Count).words(words)
    }

    /// A row for each set of labels, with these columns.
    pub(crate) fn table(title: &'static str, description: &'static str, columns: Vec<Column>) -> Self {
        Self::of(Kind::Table(columns), title, description, Unit::Count)
    }

    fn of(kind: Kind, title: &'static str, description: &'static str, unit: Unit) -> Self {
        Self {
            kind,
            title,
            description,
            unit,
            decimals: None,
            range: (None, None),
            thresholds: Thresholds::none(),
            words: Vec::new(),
            absent: None,
            queries: Vec::new(),
            leads_to: None,
        }
    }

    /// With a query.
    pub(crate) fn query(mut self, query: Query) -> Self {
        let place = u8::try_from(self.queries.len()).unwrap_or(u8::MAX);
        self.queries.push(query.at(place));
        self
    }

    /// With colours by the figure.
    pub(crate) fn thresholds(self, thresholds: Thresholds) -> Self {
        Self { thresholds, ..self }
    }

    /// With words in place of figures.
    pub(crate) fn words(self, words: &[Word]) -> Self {
        Self {
            words: words.to_vec(),
            ..self
        }
    }

    /// With so many digits after the point.
    pub(crate) fn decimals(self, decimals: u8) -> Self {
        Self {
            decimals: Some(decimals),
            ..self
        }
    }

    /// The axis starts at 0.
    pub(crate) fn axis_from_zero(mut self) -> Self {
        self.range.0 = Some(0.0);
        self
    }

    /// The axis goes from 0 to 1.
    pub(crate) fn axis_to_one(self) -> Self {
        Self {
            range: (Some(0.0), Some(1.0)),
            ..self
        }
    }

    /// What is written where there is no figure.
    pub(crate) fn absent(self, word: &'static str) -> Self {
        Self {
            absent: Some(word),
            ..self
        }
    }

    /// Opens another dashboard, with what is chosen here.
    pub(crate) fn leads_to(self, dashboard: &'static str) -> Self {
        Self {
            leads_to: Some(dashboard),
            ..self
        }
    }

    /// As Grafana takes it, but for its place.
    pub(crate) fn json(&self) -> Value {
        json!({
            "type": self.kind.name(),
            "title": self.title,
            "description": self.description,
            "datasource": data_source(),
            "fieldConfig": {"defaults": self.defaults(), "overrides": self.overrides()},
            "options": self.kind.options(self),
            "targets": self.queries,
            "transformations": self.transformations(),
            "links": self.leads_to.map(link).into_iter().collect::<Vec<_>>(),
        })
    }

    fn defaults(&self) -> Value {
        let mut defaults = json!({
            "color": {"mode": self.kind.colours()},
            "custom": self.kind.custom(self),
            "mappings": mappings(&self.words),
            "thresholds": self.thresholds.json(),
            "unit": self.unit.name(),
        });
        let optional = [
            ("decimals", self.decimals.map(Value::from)),
            ("min", self.range.0.map(Value::from)),
            ("max", self.range.1.map(Value::from)),
            ("noValue", self.absent.map(Value::from)),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                defaults[name] = value;
            }
        }
        defaults
    }

    fn columns(&self) -> &[Column] {
        match &self.kind {
            Kind::Table(columns) => columns,
            _ => &[],
        }
    }

    fn overrides(&self) -> Vec<Value> {
        self.columns()
            .iter()
            .filter_map(|column| Some((column, column.unit?)))
            .map(|(column, unit)| {
                let mut properties = vec![json!({"id": "unit", "value": unit.name()})];
                if let Some(thresholds) = &column.thresholds {
                    properties.push(json!({"id": "thresholds", "value": thresholds.json()}));
                    let cell = json!({"type": "color-background", "mode": "basic"});
                    properties.push(json!({"id": "custom.cellOptions", "value": cell}));
                }
                json!({"matcher": {"id": "byName", "options": column.title}, "properties": properties})
            })
            .collect()
    }

    /// One table of all queries of a table, with the columns that were named, in their order.
    fn transformations(&self) -> Vec<Value> {
        let columns = self.columns();
        if columns.is_empty() {
            return Vec::new();
        }
        let mut named = serde_json::Map::new();
        let mut places = serde_json::Map::new();
        for (place, column) in columns.iter().enumerate() {
            named.insert(column.field.to_owned(), json!(column.title));
            places.insert(column.field.to_owned(), json!(place));
        }
        let wanted: Vec<&str> = columns.iter().map(|column| column.field).collect();
        vec![
            json!({"id": "merge", "options": {}}),
            json!({"id": "filterFieldsByName", "options": {"include": {"names": wanted}}}),
            json!({"id": "organize", "options": {"excludeByName": {}, "indexByName": places, "renameByName": named}}),
        ]
    }
}

fn link(dashboard: &str) -> Value {
    json!({
        "type": "link",
        "title": "More",
        "url": format!("/d/kafka-operator-{dashboard}?${{__url_time_range}}&${{__all_variables}}"),
        "asDropdown": false,
        "icon": "external link",
        "includeVars": false,
        "keepTime": false,
        "tags": [],
        "targetBlank": false,
        "tooltip": "",
    })
}
