//! What readers say they take, and how much they like it (RFC 9110, 12.4.2).

/// What of an `Accept` or `Accept-Encoding` header stands between two commas.
#[derive(Debug)]
pub(super) struct Range<'a> {
    name: &'a str,
    /// The parameter `version`.
    pub(super) version: Option<&'a str>,
    /// From 0, not at all, to 1.
    pub(super) quality: f32,
}

impl<'a> Range<'a> {
    /// All that the headers name, but for what has no quality from 0 to 1.
    pub(super) fn all(headers: impl IntoIterator<Item = &'a str>) -> Vec<Self> {
        let parts = headers.into_iter().flat_map(|header| header.split(','));
        parts.filter_map(Self::parse).collect()
    }

    /// Whether it is of that name.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let mut range = Self {
            name: parts.next()?,
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
}
