//! Where panels are: in rows over the whole width, from top to bottom.

use serde::Serialize;
use serde_json::{Value, json};

use crate::panel::Panel;

/// Columns of Grafana's grid.
const WIDTH: usize = 24;

/// A panel in its place.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub(crate) struct Placed(Value);

/// Panels in their places.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layout {
    placed: Vec<Placed>,
    below: usize,
}

impl Layout {
    /// A heading; what follows is under it.
    pub(crate) fn section(mut self, title: &str) -> Self {
        let place = self.place(0, WIDTH, 1);
        self.below += 1;
        self.put(
            json!({"type": "row", "title": title, "collapsed": false, "panels": []}),
            place,
        );
        self
    }

    /// Panels of one height beside each other, of one width as nearly as the grid allows.
    pub(crate) fn row<const N: usize>(mut self, height: usize, panels: [Panel; N]) -> Self {
        for (nth, panel) in panels.iter().enumerate() {
            let (from, to) = (nth * WIDTH / N, (nth + 1) * WIDTH / N);
            let place = self.place(from, to - from, height);
            self.put(panel.json(), place);
        }
        self.below += height;
        self
    }

    /// All of them.
    pub(crate) fn placed(self) -> Vec<Placed> {
        self.placed
    }

    fn place(&self, x: usize, width: usize, height: usize) -> Value {
        json!({"x": x, "y": self.below, "w": width, "h": height})
    }

    fn put(&mut self, mut panel: Value, place: Value) {
        panel["id"] = json!(self.placed.len() + 1);
        panel["gridPos"] = place;
        self.placed.push(Placed(panel));
    }
}
