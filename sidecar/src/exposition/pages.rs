//! A text that is never held as a whole in one piece, and packed while it is written where its reader takes it so. Of
//! 4,000 partitions there are megabytes of text, which are some hundred kilobytes when packed.

use std::fmt;
use std::io::Write;

use axum::body::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::Encoding;

/// When a page is full, in bytes.
const PAGE: usize = 1 << 16;

/// The pages that are full, and the one that is written on.
pub(super) struct Pages {
    page: String,
    full: Full,
}

enum Full {
    Plain(Vec<Bytes>),
    Packed(GzEncoder<Vec<u8>>),
}

impl Pages {
    pub(super) fn new(encoding: Encoding) -> Self {
        Self {
            page: String::with_capacity(PAGE + PAGE / 8),
            full: match encoding {
                Encoding::Identity => Full::Plain(Vec::new()),
                Encoding::Gzip => Full::Packed(GzEncoder::new(Vec::new(), Compression::default())),
            },
        }
    }

    /// Where to write. What is written at a time should be a line or a few.
    pub(super) fn page(&mut self) -> &mut String {
        if self.page.len() >= PAGE {
            self.turn();
        }
        &mut self.page
    }

    /// All that was written, in pieces.
    pub(super) fn finish(mut self) -> Vec<Bytes> {
        self.turn();
        match self.full {
            Full::Plain(pages) => pages,
            // Writing to memory cannot fail.
            Full::Packed(packer) => packer.finish().into_iter().map(Bytes::from).collect(),
        }
    }

    fn turn(&mut self) {
        match &mut self.full {
            Full::Plain(pages) => pages.push(Bytes::copy_from_slice(self.page.as_bytes())),
            Full::Packed(packer) => {
                // As above.
                let _ = packer.write_all(self.page.as_bytes());
            }
        }
        self.page.clear();
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn a_text_of_many_pages_is_the_same_plain_and_packed() {
        let lines: Vec<String> = (0..20_000).map(|number| format!("line {number}\n")).collect();
        let written = |encoding| {
            let mut pages = Pages::new(encoding);
            lines.iter().for_each(|line| pages.page().push_str(line));
            pages.finish().concat()
        };
        let plain = written(Encoding::Identity);
        assert!(plain.len() > 3 * PAGE);
        assert_eq!(plain, lines.concat().into_bytes());
        let mut unpacked = Vec::new();
        let packed = written(Encoding::Gzip);
        GzDecoder::new(packed.as_slice())
            .read_to_end(&mut unpacked)
            .unwrap();
        assert_eq!(unpacked, plain);
    }
}
