//! Maintenance windows as a configuration has them.

use kafka::settings::{Fields, Section, Setting};
use serde_json::Value;

use crate::execute::{Day, TimeOfDay, Window};

impl Section for Window {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let days = fields.list("days");
        let from = fields.required("from");
        let to = fields.required("to");
        Some(Self {
            days: days?,
            from: from?,
            to: to?,
        })
    }
}

impl Setting for Day {
    fn read(value: &Value) -> Result<Self, String> {
        let named = |day: &Self| value.as_str() == Some(day.name());
        Self::ALL.into_iter().find(named).ok_or_else(|| {
            let days = Self::ALL.map(Self::name).join(", ");
            format!("{value} is no day; days are {days}")
        })
    }
}

impl Setting for TimeOfDay {
    fn read(value: &Value) -> Result<Self, String> {
        String::read(value)?.parse()
    }
}
