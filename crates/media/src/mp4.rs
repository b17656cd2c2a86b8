//! ISO base media boxes: the only module that knows mp4-atom.
//!
//! [`Splitter`] finds boxes in a stream of bytes, [`Init`] reads an initialisation segment,
//! [`Fragment`] a `moof`, [`encode_chunk`] writes one CMAF chunk. Nothing here knows the grid.

mod bounds;
mod chunk;
#[cfg(test)]
pub mod foreign;
mod fragment;
mod init;
mod split;

pub use chunk::{encode_chunk, segment_type};
pub use fragment::{Fragment, Sample};
pub use init::{Init, Kind};
pub use split::{Mp4Box, Splitter, split};
use thiserror::Error;

/// Bytes that are no media this system can use.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Mp4Error {
    /// A box header that can't be: too small, without an end, or larger than allowed.
    #[error("box '{kind}' at byte {offset} has size {size}, allowed are 8 to {limit} bytes")]
    Size {
        /// Its four-character code.
        kind: String,
        /// Where it begins in the stream.
        offset: u64,
        /// The size it claims; 0 means "to the end".
        size: u64,
        /// The largest size allowed.
        limit: u64,
    },
    /// The bytes end inside a box.
    #[error("the bytes end inside a box at byte {offset}")]
    Truncated {
        /// Where the box begins.
        offset: u64,
    },
    /// A box that does not parse.
    #[error("box '{kind}' does not parse: {reason}")]
    Malformed {
        /// Its four-character code.
        kind: &'static str,
        /// What the parser says.
        reason: String,
    },
    /// Well-formed, but not what a single-track CMAF stream holds.
    #[error("not a single-track CMAF stream: {0}")]
    Unsuitable(&'static str),
}

fn malformed(kind: &'static str) -> impl Fn(mp4_atom::Error) -> Mp4Error {
    move |error| Mp4Error::Malformed { kind, reason: error.to_string() }
}
