//! Dashboards as files have them, and what Grafana makes of their variables.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use e2e::prometheus::Prometheus;
use e2e::scene::Outcome;
use serde_json::Value;

use crate::EVERY;

/// What Grafana takes for an interval over which rates are taken: four times what lies between two scrapes.
const RATE_INTERVAL: u64 = 4 * EVERY.as_secs();
/// In seconds, of the time that is shown.
const RANGE: u64 = 60;

/// A dashboard.
pub(crate) struct Dashboard {
    title: String,
    /// How many panels it has, but for headings.
    pub(crate) panels: usize,
    variables: Vec<Variable>,
    /// Of panels and annotations.
    pub(crate) queries: Vec<Query>,
}

/// A query, where it is and what its series are called.
pub(crate) struct Query {
    pub(crate) place: String,
    pub(crate) expression: String,
    pub(crate) legend: String,
    /// Whether it is of now, and not over time.
    pub(crate) is_instant: bool,
}

/// What is chosen of each variable that has several values at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Each value that there is, one by one.
    Each,
    /// `All`, which takes series without the label too.
    All,
}

/// The values of variables, as they are filled in.
pub(crate) struct Values {
    by_name: BTreeMap<String, String>,
    /// Whether targets have the labels by which clusters are told apart.
    pub(crate) are_labelled: bool,
}

enum Variable {
    /// What Grafana itself knows, or one value among some.
    Known { name: String, value: String },
    /// What is looked up.
    Looked {
        name: String,
        lookup: Lookup,
        several: bool,
    },
}

enum Lookup {
    /// Names of labels of a series, the first of these that there is.
    Names { series: String, of: Vec<String> },
    /// Values of a label.
    Values { series: String, label: String },
}

/// All of `deploy/grafana`.
pub(crate) fn dashboards() -> Outcome<Vec<Dashboard>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/grafana");
    let entries: Result<Vec<PathBuf>, _> = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect();
    let mut files = entries?;
    files.sort();
    files.iter().map(|file| Dashboard::read(file)).collect()
}

impl Dashboard {
    fn read(file: &Path) -> Outcome<Self> {
        let json: Value = serde_json::from_slice(&std::fs::read(file)?)?;
        let title = text(&json, "title")?.to_owned();
        let panels: Vec<&Value> = list(&json["panels"])
            .filter(|panel| panel["type"] != "row")
            .collect();
        let mut queries = Vec::new();
        for panel in &panels {
            let place = format!("{title}: panel {} {:?}", panel["id"], text(panel, "title")?);
            for target in list(&panel["targets"]) {
                queries.push(Query {
                    place: format!("{place} {}", text(target, "refId")?),
                    expression: text(target, "expr")?.to_owned(),
                    legend: text(target, "legendFormat")?.to_owned(),
                    is_instant: target["instant"] == true,
                });
            }
        }
        let of_prometheus = |annotation: &&Value| annotation["datasource"]["type"] == "prometheus";
        for annotation in list(&json["annotations"]["list"]).filter(of_prometheus) {
            assert_eq!(annotation["expr"], annotation["target"]["expr"], "{title}");
            queries.push(Query {
                place: format!("{title}: annotation {:?}", text(annotation, "name")?),
                expression: text(annotation, "expr")?.to_owned(),
                legend: ["titleFormat", "textFormat"]
                    .map(|part| annotation[part].to_string())
                    .concat(),
                is_instant: false,
            });
        }
        let variables: Outcome<Vec<Variable>> =
            list(&json["templating"]["list"]).map(Variable::read).collect();
        Ok(Self {
            title,
            panels: panels.len(),
            variables: variables?,
            queries,
        })
    }

    /// Looks the variables up in their order, as Grafana does when a dashboard is opened.
    ///
    /// # Errors
    ///
    /// One has no value, and is not about labels that nobody gives.
    pub(crate) async fn choose(&self, prometheus: &Prometheus, choice: Choice) -> Outcome<Values> {
        let built_in = [
            ("__rate_interval", format!("{RATE_INTERVAL}s")),
            ("__range", format!("{RANGE}s")),
        ];
        let mut values = Values {
            by_name: built_in.map(|(name, value)| (name.to_owned(), value)).into(),
            are_labelled: choice == Choice::Each,
        };
        for variable in &self.variables {
            let (name, value) = match variable {
                Variable::Known { name, value } => (name, value.clone()),
                Variable::Looked {
                    name,
                    lookup,
                    several,
                } => {
                    let found = lookup.find(prometheus, &values).await?;
                    let may_be_empty =
                        !values.are_labelled && ["namespace", "cluster"].contains(&name.as_str());
                    if found.is_empty() != may_be_empty {
                        return Err(
                            format!("{}: variable {name} has the values {found:?}", self.title).into(),
                        );
                    }
                    let value = match (several, choice) {
                        (true, Choice::All) => ".*".to_owned(),
                        (true, Choice::Each) => any_of(&found),
                        (false, _) => found.into_iter().next().unwrap_or_default(),
                    };
                    (name, value)
                }
            };
            values.by_name.insert(name.clone(), value);
        }
        Ok(values)
    }
}

impl Variable {
    fn read(json: &Value) -> Outcome<Self> {
        let name = text(json, "name")?.to_owned();
        match text(json, "type")? {
            "datasource" => Ok(Self::Known {
                name,
                value: "prometheus".to_owned(),
            }),
            "custom" => {
                let value = text(&json["current"], "value")?.to_owned();
                Ok(Self::Known { name, value })
            }
            "query" => {
                let several = json["multi"] == true;
                if several && (json["includeAll"] != true || json["allValue"] != ".*") {
                    return Err(format!("what is all of the variable {name}?").into());
                }
                let lookup = Lookup::read(text(&json["query"], "query")?, text(json, "regex")?)?;
                Ok(Self::Looked {
                    name,
                    lookup,
                    several,
                })
            }
            other => Err(format!("what is a variable of type {other}?").into()),
        }
    }
}

impl Lookup {
    /// `label_names(series)` with an expression of the form `/^(one|other)$/`, or `label_values(series, label)`.
    fn read(query: &str, regex: &str) -> Outcome<Self> {
        let unknown = || format!("what does a variable with {query:?} and {regex:?} look up?");
        let within = |function: &str| query.strip_prefix(function)?.strip_suffix(')');
        if let Some(series) = within("label_names(") {
            let of = regex.strip_prefix("/^(").and_then(|of| of.strip_suffix(")$/"));
            return Ok(Self::Names {
                series: series.to_owned(),
                of: of.ok_or_else(unknown)?.split('|').map(str::to_owned).collect(),
            });
        }
        let (series, label) = within("label_values(")
            .filter(|_| regex.is_empty())
            .and_then(|inner| inner.rsplit_once(','))
            .ok_or_else(unknown)?;
        Ok(Self::Values {
            series: series.to_owned(),
            label: label.trim().to_owned(),
        })
    }

    /// In the order in which Grafana offers them.
    async fn find(&self, prometheus: &Prometheus, values: &Values) -> Outcome<Vec<String>> {
        let mut found = match self {
            Self::Names { series, of } => {
                let mut names = prometheus.label_names(&fill(series, values)?).await?;
                names.retain(|name| of.contains(name));
                names
            }
            Self::Values { series, label } => {
                let (series, label) = (fill(series, values)?, fill(label, values)?);
                prometheus.label_values(&label, &series).await?
            }
        };
        found.sort();
        Ok(found)
    }
}

/// A regular expression of several values, in a string of PromQL.
fn any_of(values: &[String]) -> String {
    let escaped = |value: &String| -> String {
        let letters = value.chars();
        letters
            .map(|letter| match letter {
                '.' | '*' | '+' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$' => {
                    format!("\\\\{letter}")
                }
                other => other.to_string(),
            })
            .collect()
    };
    let values: Vec<String> = values.iter().map(escaped).collect();
    match values.as_slice() {
        [one] => one.clone(),
        several => format!("({})", several.join("|")),
    }
}

/// Fills in what is chosen for `$name` and `${name}`.
///
/// # Errors
///
/// Nothing has such a name.
pub(crate) fn fill(text: &str, values: &Values) -> Outcome<String> {
    let mut pieces = text.split('$');
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let is_braced = piece.starts_with('{');
        let piece = piece.strip_prefix('{').unwrap_or(piece);
        let end = piece
            .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
            .unwrap_or(piece.len());
        let (name, rest) = piece.split_at(end);
        match values.by_name.get(name) {
            Some(value) => filled += value,
            // Groups of a regular expression are not Grafana's.
            None if name.starts_with(|first: char| first.is_ascii_digit()) => filled += &format!("${name}"),
            None => return Err(format!("there is no variable `{name}` for {text:?}").into()),
        }
        filled += if is_braced {
            rest.strip_prefix('}').unwrap_or(rest)
        } else {
            rest
        };
    }
    Ok(filled)
}

fn text<'a>(json: &'a Value, field: &str) -> Outcome<&'a str> {
    json[field]
        .as_str()
        .ok_or_else(|| format!("there is no text {field} in {json}").into())
}

fn list(json: &Value) -> impl Iterator<Item = &Value> {
    json.as_array().into_iter().flatten()
}
