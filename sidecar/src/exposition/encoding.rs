//! Whether a reader gets a text packed.

use super::quality::Range;

/// How a text is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// By gzip.
    Gzip,
}

impl Encoding {
    /// The encoding for a reader with these `Accept-Encoding` headers: gzip for those who take it and do not prefer to have
    /// the text as it is (RFC 9110, 12.5.3).
    pub fn accepted<'a>(headers: impl IntoIterator<Item = &'a str>) -> Self {
        let ranges = Range::all(headers);
        let quality = |coding: &str| {
            let named = ranges.iter().find(|range| range.is(coding));
            let any = || ranges.iter().find(|range| range.is("*"));
            named.or_else(any).map(|range| range.quality)
        };
        let as_it_is = ranges.iter().find(|range| range.is("identity"));
        match quality("gzip").or_else(|| quality("x-gzip")) {
            Some(wish) if wish > 0.0 && as_it_is.is_none_or(|range| wish >= range.quality) => Self::Gzip,
            _ => Self::Identity,
        }
    }

    /// Its `Content-Encoding`, where there is something to say.
    pub fn content_encoding(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_gets_gzip_if_it_takes_it_and_does_not_prefer_plain_text() {
        for header in [
            "gzip",
            "deflate, GZIP;q=0.5",
            "*",
            "br;q=1, *;q=0.1",
            "gzip, identity;q=0.5",
            "x-gzip",
        ] {
            assert_eq!(Encoding::accepted([header]), Encoding::Gzip, "{header}");
        }
        for header in [
            "",
            "br",
            "gzip;q=0",
            "gzip;q=0, *",
            "identity, gzip;q=0.5",
            "gzip;q=2",
            "gzip;q=NaN",
        ] {
            assert_eq!(Encoding::accepted([header]), Encoding::Identity, "{header}");
        }
        assert_eq!(Encoding::accepted([]), Encoding::Identity);
    }
}
