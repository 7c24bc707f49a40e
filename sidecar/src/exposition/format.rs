//! Which text format a reader gets.

/// A text format of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

/// What of an `Accept` header stands between two commas.
#[derive(Debug)]
struct Range<'a> {
    media: &'a str,
    version: Option<&'a str>,
    quality: f32,
}

impl Format {
    /// The format for a reader with these `Accept` headers. OpenMetrics is for those who name it and prefer nothing to it;
    /// all others get Prometheus' format, whatever they accept: an answer in it is of more use than none.
    pub fn accepted<'a>(headers: impl IntoIterator<Item = &'a str>) -> Self {
        let ranges = headers.into_iter().flat_map(|header| header.split(','));
        let ranges: Vec<Range<'_>> = ranges.filter_map(Range::parse).collect();
        let quality = |media: &str, version: &str| {
            let meant = ranges.iter().filter(|range| range.means(media, version));
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

impl<'a> Range<'a> {
    /// Reads a range; none where its quality is no number from 0 to 1.
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let mut range = Self {
            media: parts.next()?,
            version: None,
            quality: 1.0,
        };
        for (name, value) in parts.filter_map(|parameter| parameter.split_once('=')) {
            if name.eq_ignore_ascii_case("q") {
                range.quality = value.parse().ok().filter(|q| (0.0..=1.0).contains(q))?;
            } else if name.eq_ignore_ascii_case("version") {
                range.version = Some(value.trim_matches('"'));
            }
        }
        Some(range)
    }

    fn means(&self, media: &str, version: &str) -> bool {
        self.media.eq_ignore_ascii_case(media) && self.version.is_none_or(|named| named == version)
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
