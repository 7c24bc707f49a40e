//! Which text format a reader gets.

use super::quality::Range;

/// A text format of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// The format for a reader with these `Accept` headers. OpenMetrics is for those who name it and prefer nothing to it;
    /// all others get Prometheus' format, whatever they accept: an answer in it is of more use than none.
    pub fn accepted<'a>(headers: impl IntoIterator<Item = &'a str>) -> Self {
        let ranges = Range::all(headers);
        let quality = |media: &str, version: &str| {
            let means =
                |range: &&Range<'_>| range.is(media) && range.version.is_none_or(|named| named == version);
            let meant = ranges.iter().filter(means);
            meant.map(|range| range.quality).reduce(f32::max)
        };
        let prometheus = quality("text/plain", "0.0.4")
            .or_else(|| quality("text/*", ""))
            .or_else(|| quality("*/*", ""));
        match quality("application/openmetrics-text", "1.0.0") {
            Some(wish) if wish > 0.0 && wish >= prometheus.unwrap_or(0.0) => Self::OpenMetrics,
            _ => Self::Prometheus,
        }
    }

    /// Its `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_gets_the_format_that_it_prefers_and_prometheus_text_if_it_prefers_none() {
        let prometheus_2 = "application/openmetrics-text;version=1.0.0,\
            application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
            application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
            text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        let with_protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
            encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2";
        for header in [
            prometheus_2,
            prometheus_3,
            with_protobuf,
            "application/openmetrics-text",
            "APPLICATION/OpenMetrics-Text; Version=\"1.0.0\"; Q=0.2, text/plain; q=0.2",
            "text/plain;q=0.1, text/*, application/openmetrics-text;q=0.3",
        ] {
            assert_eq!(Format::accepted([header]), Format::OpenMetrics, "{header}");
        }
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        for header in [
            browser,
            "",
            "*/*",
            "text/plain;version=0.0.4;q=1,*/*;q=0.1",
            "application/openmetrics-text;q=0.4, text/plain;q=0.5",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;version=2.0.0",
            "application/openmetrics-text;q=NaN",
            "application/json",
        ] {
            assert_eq!(Format::accepted([header]), Format::Prometheus, "{header}");
        }
        assert_eq!(Format::accepted([]), Format::Prometheus);
        let two = ["text/plain;q=0.5", "application/openmetrics-text"];
        assert_eq!(Format::accepted(two), Format::OpenMetrics);
    }
}
