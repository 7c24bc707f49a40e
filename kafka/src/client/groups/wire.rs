//! The primitive types of Kafka's protocol that the requests written here need, in their compact ("flexible") forms:
//! <https://kafka.apache.org/protocol.html#protocol_types>, KIP-482.

use super::malformed;

/// Writes an unsigned varint: seven bits a byte, the lowest first.
pub(super) fn put_varint(mut value: u32, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes a compact string or array's length, which is one more than it is; 0 stands for null.
pub(super) fn put_length(length: usize, out: &mut Vec<u8>) {
    put_varint(u32::try_from(length).unwrap_or(u32::MAX - 1) + 1, out);
}

/// Writes a compact string.
pub(super) fn put_string(text: &str, out: &mut Vec<u8>) {
    put_length(text.len(), out);
    out.extend_from_slice(text.as_bytes());
}

/// Writes that there are no tagged fields.
pub(in crate::client) fn put_no_tags(out: &mut Vec<u8>) {
    out.push(0);
}

/// Reads an answer from its beginning; each read fails where the bytes end too early.
#[derive(Debug)]
pub(in crate::client) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(in crate::client) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn take(&mut self, count: usize) -> krafka::Result<&'a [u8]> {
        let (taken, left) = self
            .0
            .split_at_checked(count)
            .ok_or_else(|| malformed("the answer ends too early"))?;
        self.0 = left;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> krafka::Result<[u8; N]> {
        let bytes = self.take(N)?;
        bytes
            .try_into()
            .map_err(|_| malformed("the answer ends too early"))
    }

    pub(in crate::client) fn i16(&mut self) -> krafka::Result<i16> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    pub(in crate::client) fn i32(&mut self) -> krafka::Result<i32> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    pub(super) fn i64(&mut self) -> krafka::Result<i64> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    fn varint(&mut self) -> krafka::Result<u32> {
        let mut value = 0u32;
        for shift in (0..32).step_by(7) {
            let [byte] = self.array()?;
            let bits = u32::from(byte & 0x7f);
            if shift == 28 && bits > 0xf {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(malformed("a varint is longer than 32 bits"))
    }

    /// A compact array's length. Each element takes at least `least` bytes, so that one which cannot be there is refused
    /// before anything is allocated for it. A null array has none.
    pub(super) fn count(&mut self, least: usize) -> krafka::Result<usize> {
        let count = self.varint()?.saturating_sub(1) as usize;
        match count.checked_mul(least) {
            Some(bytes) if bytes <= self.0.len() => Ok(count),
            _ => Err(malformed(format!(
                "{count} elements cannot be in what is left of the answer"
            ))),
        }
    }

    /// A compact string.
    pub(super) fn string(&mut self) -> krafka::Result<&'a str> {
        let length = self.varint()?.checked_sub(1);
        let length = length.ok_or_else(|| malformed("a string is null"))?;
        std::str::from_utf8(self.take(length as usize)?).map_err(|_| malformed("a string is no UTF-8"))
    }

    /// Passes over a compact string that may be null.
    pub(super) fn skip_string(&mut self) -> krafka::Result<()> {
        let length = self.varint()?.saturating_sub(1);
        self.take(length as usize).map(|_| ())
    }

    /// Passes over tagged fields.
    pub(super) fn skip_tags(&mut self) -> krafka::Result<()> {
        for _ in 0..self.varint()? {
            self.varint()?;
            let length = self.varint()?;
            self.take(length as usize)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_varint_is_read_back(value: u32) {
            let mut bytes = Vec::new();
            put_varint(value, &mut bytes);
            prop_assert_eq!(Reader::new(&bytes).varint().unwrap(), value);
        }
    }

    #[test]
    fn what_is_longer_than_the_answer_is_refused() {
        assert!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x7f]).varint().is_err());
        assert!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x0f, 1]).count(1).is_err());
        assert!(Reader::new(&[9, b'a']).string().is_err());
        assert!(Reader::new(&[0]).string().is_err());
        assert_eq!(Reader::new(&[0]).count(20).unwrap(), 0);
    }
}
