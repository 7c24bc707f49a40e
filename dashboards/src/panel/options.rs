//! The options of each kind of panel.

use serde_json::{Value, json};

use super::{Kind, Panel};

impl Kind {
    /// Grafana's name of it.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Stat | Self::Name => "stat",
            Self::Lines | Self::Stack | Self::Bars => "timeseries",
            Self::Gauges => "bargauge",
            Self::Heatmap => "heatmap",
            Self::States => "state-timeline",
            Self::Table(_) => "table",
        }
    }

    /// What colours say: which series it is, or how good the figure is.
    pub(super) const fn colours(&self) -> &'static str {
        match self {
            Self::Lines | Self::Stack | Self::Bars => "palette-classic",
            Self::Stat | Self::Name | Self::Gauges | Self::Heatmap | Self::States | Self::Table(_) => {
                "thresholds"
            }
        }
    }

    /// What is set for each series.
    pub(super) fn custom(&self, panel: &Panel) -> Value {
        match self {
            Self::Lines => graph(panel, "line", 0, "none"),
            Self::Stack => graph(panel, "line", 40, "normal"),
            Self::Bars => graph(panel, "bars", 80, "normal"),
            Self::States => json!({"fillOpacity": 80, "lineWidth": 0}),
            Self::Table(_) => {
                json!({"align": "auto", "cellOptions": {"type": "auto"}, "filterable": true, "inspect": false})
            }
            Self::Stat | Self::Name | Self::Gauges | Self::Heatmap => json!({}),
        }
    }

    /// What is set for the panel.
    pub(super) fn options(&self, panel: &Panel) -> Value {
        match self {
            Self::Stat => stat(panel, "auto", "area"),
            Self::Name => stat(panel, "name", "none"),
            Self::Lines | Self::Stack | Self::Bars => json!({
                "legend": {
                    "calcs": ["lastNotNull", "max"],
                    "displayMode": "table",
                    "placement": "bottom",
                    "showLegend": true,
                    "sortBy": "Last *",
                    "sortDesc": true,
                },
                "tooltip": {"mode": "multi", "sort": "desc"},
            }),
            Self::Gauges => gauges(),
            Self::Heatmap => heatmap(panel),
            Self::States => json!({
                "alignValue": "left",
                "legend": no_legend(),
                "mergeValues": true,
                "rowHeight": 0.9,
                "showValue": "auto",
                "tooltip": {"mode": "single", "sort": "none"},
            }),
            Self::Table(_) => json!({"cellHeight": "sm", "frameIndex": 0, "showHeader": true}),
        }
    }
}

fn graph(panel: &Panel, style: &str, fill: u8, stacking: &str) -> Value {
    let line = if panel.thresholds.matter() {
        "dashed"
    } else {
        "off"
    };
    json!({
        "drawStyle": style,
        "fillOpacity": fill,
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "showPoints": "never",
        "spanNulls": false,
        "stacking": {"group": "A", "mode": stacking},
        "thresholdsStyle": {"mode": line},
    })
}

fn stat(panel: &Panel, text: &str, line: &str) -> Value {
    let is_judged = panel.thresholds.matter() || !panel.words.is_empty();
    json!({
        "colorMode": if is_judged { "background" } else { "value" },
        "graphMode": line,
        "justifyMode": "auto",
        "orientation": "auto",
        "percentChangeColorMode": "standard",
        "reduceOptions": last(),
        "showPercentChange": false,
        "textMode": text,
        "wideLayout": true,
    })
}

fn gauges() -> Value {
    json!({
        "displayMode": "basic",
        "legend": no_legend(),
        "maxVizHeight": 40,
        "minVizHeight": 16,
        "minVizWidth": 8,
        "namePlacement": "auto",
        "orientation": "horizontal",
        "reduceOptions": last(),
        "showUnfilled": true,
        "sizing": "auto",
        "valueMode": "color",
    })
}

/// Series are the rows as they are; nothing is counted into buckets.
fn heatmap(panel: &Panel) -> Value {
    let unit = panel.unit.name();
    let mut colours = json!({
        "exponent": 0.5,
        "fill": "dark-orange",
        "mode": "scheme",
        "reverse": true,
        "scale": "linear",
        "scheme": "RdYlGn",
        "steps": 64,
    });
    for (name, bound) in [("min", panel.range.0), ("max", panel.range.1)] {
        if let Some(bound) = bound {
            colours[name] = json!(bound);
        }
    }
    json!({
        "calculate": false,
        "cellGap": 1,
        "cellValues": {"unit": unit},
        "color": colours,
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": true},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "showColorScale": true, "yHistogram": false},
        "yAxis": {"axisPlacement": "left", "reverse": false},
    })
}

fn last() -> Value {
    json!({"calcs": ["lastNotNull"], "fields": "", "values": false})
}

fn no_legend() -> Value {
    json!({"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": false})
}
