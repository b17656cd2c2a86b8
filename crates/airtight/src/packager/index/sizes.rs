//! How much is held of a signal, kept with every change of it: knowing it costs the same however much that is.

use std::collections::BTreeMap;

use airtight_media::{grid::Number, holding::Piece};

/// Bytes and pieces.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Bytes of segments by number, all lineages and tracks together.
    numbers: BTreeMap<Number, u64>,
    /// Bytes of all segments.
    segments: u64,
    /// Bytes of all pieces.
    bytes: u64,
    /// All pieces.
    pieces: u64,
}

impl Sizes {
    /// A piece of `length` bytes is held.
    pub(super) fn add(&mut self, piece: &Piece, length: u64) {
        self.bytes += length;
        self.pieces += 1;
        if let Piece::Segment { number, .. } = piece {
            self.segments += length;
            *self.numbers.entry(*number).or_default() += length;
        }
    }

    /// A piece of `length` bytes that was added is no longer held.
    pub(super) fn remove(&mut self, piece: &Piece, length: u64) {
        self.bytes -= length;
        self.pieces -= 1;
        if let Piece::Segment { number, .. } = piece {
            self.segments -= length;
            if let Some(left) = self.numbers.get_mut(number) {
                *left -= length;
            }
            if self.numbers.get(number) == Some(&0) {
                self.numbers.remove(number);
            }
        }
    }

    /// Bytes and pieces.
    pub(super) fn all(&self) -> (u64, u64) {
        (self.bytes, self.pieces)
    }

    /// Bytes of all segments.
    pub(super) fn segments(&self) -> u64 {
        self.segments
    }

    /// Numbers of which there are segments, and their bytes, oldest first.
    pub(super) fn numbers(&self) -> impl DoubleEndedIterator<Item = (Number, u64)> {
        self.numbers.iter().map(|(number, bytes)| (*number, *bytes))
    }
}
