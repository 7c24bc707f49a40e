//! Brokers with what they carry.

use std::collections::BTreeMap;

use comfy_table::{Attribute, Cell, Color, ColumnConstraint, LineStyle};
use kafka::BrokerId;

use super::Drawing;
use super::bars::Scale;
use crate::api::view::{BrokerView, SourceView, State};
use crate::cli::tables::{labelled, plain_table};
use crate::model::Resource;

/// The columns before those of the resources.
const PLAIN: usize = 5;

/// Reasons why brokers' figures are worse than they could be are listed up to so many.
const MOST_REASONS: usize = 5;

/// The table, its legend, and where figures come from.
pub(super) fn table(state: &State, brokers: &[BrokerView], drawing: Drawing) -> String {
    let scales = Resource::ALL.map(|r| {
        let all = brokers.iter().map(|broker| broker.utilisation.of(r));
        let fullest = all.fold(0.0, f64::max);
        (r, Scale::new(state.mean.of(r), state.hot_above.of(r), fullest))
    });
    let mut table = plain_table(&[
        "broker", "rack", "state", "leads", "replicas", "in", "out", "cpu", "disk",
    ]);
    // A line for each broker, so that many fit a window.
    table.load_style(table.style().row_separator(LineStyle::none()));
    if drawing.colour {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    let (shown, left_out) = chosen(brokers, &scales, drawing.most_brokers);
    for broker in shown {
        let mut row = vec![
            Cell::new(broker.id),
            Cell::new(broker.rack.as_deref().unwrap_or_default()),
            Cell::new(&broker.state),
            Cell::new(broker.leaders),
            Cell::new(broker.replicas),
        ];
        row.extend(
            scales
                .iter()
                .map(|(r, scale)| carried(broker, *r, scale, drawing)),
        );
        table.add_row(row);
    }
    for (name, figures) in [("mean", state.mean), ("hot >", state.hot_above)] {
        let blank = std::iter::repeat_n(String::new(), PLAIN - 1);
        let cells = scales.iter().map(|(r, scale)| figure(scale, figures.of(*r), ' '));
        table.add_row([name.to_owned()].into_iter().chain(blank).chain(cells));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        // Only racks may wrap.
        if index != 1 {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    let mut parts = vec![table.to_string()];
    if left_out > 0 {
        parts.push(format!("… and {left_out} more brokers that carry less"));
    }
    parts.push(
        "bars: │ mean, ┃ hot above, full as the fullest broker is; ! hot, ^ above the threshold".to_owned(),
    );
    parts.extend(sources(brokers));
    parts.join("\n")
}

/// Those that carry most, and those about which something is up; by id, so that they stay in their places.
fn chosen<'a>(
    brokers: &'a [BrokerView],
    scales: &[(Resource, Scale)],
    most: usize,
) -> (Vec<&'a BrokerView>, usize) {
    let heaviness = |broker: &BrokerView| {
        let parts = scales
            .iter()
            .map(|(r, scale)| scale.part(broker.utilisation.of(*r)));
        let is_special = broker.state != "alive" || !broker.hot.is_empty();
        (is_special, parts.fold(0.0, f64::max))
    };
    let mut rows: Vec<&BrokerView> = brokers.iter().collect();
    rows.sort_by(|a, b| {
        let (a, b) = (heaviness(a), heaviness(b));
        b.0.cmp(&a.0).then(b.1.total_cmp(&a.1))
    });
    let left_out = rows.len().saturating_sub(most);
    rows.truncate(most);
    rows.sort_by_key(|broker| broker.id);
    (rows, left_out)
}

fn carried(broker: &BrokerView, r: Resource, scale: &Scale, drawing: Drawing) -> Cell {
    let utilisation = broker.utilisation.of(r);
    if broker.hot.contains(&r) {
        let cell = Cell::new(figure(scale, utilisation, '!'));
        return match drawing.colour {
            true => cell.fg(Color::Red).add_attribute(Attribute::Bold),
            false => cell,
        };
    }
    let is_beyond = scale.is_beyond(utilisation);
    Cell::new(figure(scale, utilisation, if is_beyond { '^' } else { ' ' }))
}

fn figure(scale: &Scale, utilisation: f64, mark: char) -> String {
    format!("{}{:>4.0}%{mark}", scale.bar(utilisation), utilisation * 100.0)
}

/// Where figures come from: one line for all sidecars, one for each reason why another broker has none.
fn sources(brokers: &[BrokerView]) -> Vec<String> {
    let mut oldest = None;
    let mut others: BTreeMap<String, Vec<BrokerId>> = BTreeMap::new();
    for broker in brokers {
        let why = match &broker.source {
            SourceView::Sidecar { age_ms } => {
                oldest = oldest.max(Some(*age_ms));
                continue;
            }
            SourceView::Protocol { reason } => format!("from the Kafka protocol, without cpu ({reason})"),
            SourceView::Unknown { reason } => format!("the last that were known ({reason})"),
        };
        others.entry(why).or_default().push(broker.id);
    }
    let mut lines = Vec::new();
    if let Some(age_ms) = oldest {
        let whose = if others.is_empty() { "all" } else { "all others" };
        lines.push(format!(
            "figures: {whose} from sidecars, the oldest {:.0} s ago",
            age_ms as f64 / 1000.0
        ));
    }
    let left_out = others.len().saturating_sub(MOST_REASONS);
    for (why, brokers) in others.iter().take(MOST_REASONS) {
        let brokers = crate::plan::output::ids(brokers);
        lines.push(labelled("figures:", &format!("of {brokers} {why}")));
    }
    if left_out > 0 {
        lines.push(format!("… and {left_out} more reasons of other brokers"));
    }
    lines
}
