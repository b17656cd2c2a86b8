//! The slate: the picture (or silence) that is shown while no encoder delivers.
//!
//! A slate is made once per track with the encoder settings of the track, every picture a
//! keyframe, so that its first `m` samples are valid for any `m`. It plays under the same init as
//! the programme, stamped for whichever number lacks media.

use bytes::Bytes;
use thiserror::Error;

use crate::{
    grid::{Grid, Number, Part, Rate},
    id::InitHash,
    mp4::{Init, Sample},
    segmenter::encode_part,
    track::{Item, Reader, TrackError},
};

/// Why a file is no slate for a track.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SlateError {
    /// Not a stream of the track's rate.
    #[error(transparent)]
    Track(#[from] TrackError),
    /// It would need another init than the programme.
    #[error("the slate has init {found}, the track has {expected}")]
    Init {
        /// Hash of the slate's init.
        found: InitHash,
        /// Hash of the track's init.
        expected: InitHash,
    },
    /// A picture that needs others.
    #[error("picture {0} of the slate is no keyframe")]
    NoKeyframe(usize),
    /// No sample at all.
    #[error("the slate is empty")]
    Empty,
}

/// The samples of a slate.
#[derive(Debug, Clone)]
pub struct Slate {
    rate: Rate,
    samples: Vec<Sample>,
    data: Vec<Bytes>,
}

impl Slate {
    /// Reads `slate.mp4` (`ftyp`, `moov`, fragments) of the track that `init` begins.
    ///
    /// # Errors
    /// A file that is no slate for this track.
    pub fn parse(bytes: &[u8], init: &Init, rate: Rate) -> Result<Self, SlateError> {
        let mut reader = Reader::new(rate, 0);
        reader.push(bytes)?;
        let (mut samples, mut data) = (Vec::new(), Vec::new());
        while let Some(item) = reader.poll() {
            match item {
                Item::Init(found) if found.hash != init.hash => {
                    return Err(SlateError::Init { found: found.hash, expected: init.hash });
                }
                Item::Init(_) => {}
                Item::Sample { sample, .. } if !sample.is_sync() => {
                    return Err(SlateError::NoKeyframe(samples.len()));
                }
                Item::Sample { sample, data: bytes, .. } => {
                    samples.push(Sample { duration: rate.frame.get(), offset: 0, ..sample });
                    data.push(bytes);
                }
            }
        }
        if samples.is_empty() { Err(SlateError::Empty) } else { Ok(Self { rate, samples, data }) }
    }

    /// The slate as segment `number`: its parts.
    ///
    /// A segment longer than the slate shows it again from its start.
    pub fn stamp(&self, grid: &Grid, number: Number) -> Vec<Bytes> {
        let whole = grid.span(number, &self.rate);
        let parts = (0..grid.part_count(number, &self.rate)).map(Part);
        parts
            .map(|part| {
                let span = grid.part_span(number, part, &self.rate);
                let skipped = usize::try_from(span.first - whole.first).unwrap_or(0);
                let count = usize::try_from(span.count).unwrap_or(0);
                let pick = || (skipped..skipped + count).map(|i| i % self.samples.len());
                let samples: Vec<_> = pick().map(|i| self.samples[i]).collect();
                let data: Vec<_> = pick().map(|i| self.data[i].clone()).collect();
                encode_part(grid, number, part, &self.rate, &samples, &data)
            })
            .collect()
    }
}
