//! Lines from a stream of bytes: each whole, none longer than allowed.

use bytes::{Buf as _, Bytes, BytesMut};
use thiserror::Error;

/// The longest line: a record of many eras.
const LONGEST: usize = 1 << 20;

/// A line without an end.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("a line of the feed is longer than {LONGEST} bytes")]
pub(super) struct TooLong;

/// Cuts lines at `\n`.
#[derive(Debug, Default)]
pub(super) struct Lines {
    buffer: BytesMut,
    /// Bytes of the buffer that are known to hold no end of a line.
    seen: usize,
}

impl Lines {
    /// Takes the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole line, without its end.
    pub(super) fn poll(&mut self) -> Result<Option<Bytes>, TooLong> {
        match self.buffer[self.seen..].iter().position(|b| *b == b'\n') {
            Some(at) => {
                let line = self.buffer.split_to(self.seen + at).freeze();
                self.buffer.advance(1);
                self.seen = 0;
                Ok(Some(line))
            }
            None if self.buffer.len() > LONGEST => Err(TooLong),
            None => {
                self.seen = self.buffer.len();
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_cut_anywhere_are_the_same() {
        let bytes = b"one\n\nthree\nfo";
        for cut in 0..=bytes.len() {
            let mut lines = Lines::default();
            let mut found = Vec::new();
            for piece in [&bytes[..cut], &bytes[cut..]] {
                lines.push(piece);
                while let Some(line) = lines.poll().unwrap() {
                    found.push(line);
                }
            }
            assert_eq!(found, ["one", "", "three"], "{cut}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_an_error() {
        let mut lines = Lines::default();
        lines.push(&vec![b'x'; LONGEST]);
        assert_eq!(lines.poll(), Ok(None));
        lines.push(b"x");
        assert_eq!(lines.poll(), Err(TooLong));
    }
}
