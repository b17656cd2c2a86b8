//! Cuts one track on the absolute grid: samples in, parts of whole segments out.
//!
//! A part leaves as soon as its last sample has come. A segment whose first sample is not the
//! grid's first, whose samples have a gap, or that ends early, is dropped and says so: whoever
//! collected its parts lets them go. No clock, no guess: the grid alone decides.

use std::collections::VecDeque;

use bytes::Bytes;
use thiserror::Error;

use crate::{
    grid::{Grid, Number, Part, Rate, Span},
    mp4::{Init, Kind, Sample, encode_chunk, segment_type},
    track::{Item, Reader, TrackError},
};

/// What the segmenter yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// The initialisation segment, before all else.
    Init(Init),
    /// The next part of a segment; parts of a number come in order, without a gap.
    Part {
        /// The segment.
        number: Number,
        /// The part's place in it.
        part: Part,
        /// True for the last part: the segment is whole.
        last: bool,
        /// The part: `styp` (in the first one), `moof`, `mdat`.
        bytes: Bytes,
    },
    /// No more parts of this segment will come; those that came are of no use.
    Dropped {
        /// The segment.
        number: Number,
        /// Why.
        reason: Dropped,
    },
}

/// Why a segment was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Dropped {
    /// The stream began, or came back, inside the segment.
    #[error("its first {0} samples are missing")]
    Beginning(u64),
    /// Samples are missing inside.
    #[error("sample {found} follows where {expected} was due")]
    Gap {
        /// Index since 1970 that was due.
        expected: u64,
        /// Index that came.
        found: u64,
    },
    /// The stream ended, or jumped away, inside the segment.
    #[error("its last {0} samples are missing")]
    End(u64),
    /// The first picture can't be decoded on its own.
    #[error("its first picture is no keyframe")]
    NoKeyframe,
}

#[derive(Debug)]
struct Current {
    number: Number,
    whole: Span,
    part: Part,
    next: u64,
    samples: Vec<Sample>,
    data: Vec<Bytes>,
}

/// Cuts one track.
#[derive(Debug)]
pub struct Segmenter {
    grid: Grid,
    rate: Rate,
    reader: Reader,
    starts_on_keyframe: bool,
    current: Option<Current>,
    /// The newest segment that was begun, whole or dropped: none before it, nor it, begins again.
    newest: Option<Number>,
    cuts: VecDeque<Cut>,
}

impl Segmenter {
    /// A segmenter for a stream of `rate` whose time 0 is sample `origin` since 1970.
    pub fn new(grid: Grid, rate: Rate, origin: u64) -> Self {
        let reader = Reader::new(rate, origin);
        let cuts = VecDeque::new();
        Self { grid, rate, reader, starts_on_keyframe: false, current: None, newest: None, cuts }
    }

    /// Takes the next bytes of the encoder, cut anywhere.
    ///
    /// # Errors
    /// A stream that can't be followed: the run of the encoder is over.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), TrackError> {
        self.reader.push(bytes)?;
        while let Some(item) = self.reader.poll() {
            match item {
                Item::Init(init) => {
                    self.starts_on_keyframe = matches!(init.kind, Kind::Video { .. });
                    self.cuts.push_back(Cut::Init(init));
                }
                Item::Sample { index, sample, data } => self.sample(index, sample, data),
            }
        }
        Ok(())
    }

    /// The next cut.
    pub fn poll(&mut self) -> Option<Cut> {
        self.cuts.pop_front()
    }

    /// The stream is over: the last segment, if cut short, is dropped.
    pub fn finish(&mut self) {
        if let Some(current) = self.current.take() {
            let missing = current.whole.first + current.whole.count - current.next;
            self.dropped(current.number, Dropped::End(missing));
        }
    }

    fn dropped(&mut self, number: Number, reason: Dropped) {
        self.cuts.push_back(Cut::Dropped { number, reason });
    }

    fn sample(&mut self, index: u64, sample: Sample, data: Bytes) {
        let number = self.grid.number_of(index, &self.rate);
        if self.current.as_ref().is_some_and(|c| c.number != number) {
            self.finish();
        }
        if self.current.is_none() && !self.begin(number, index, sample) {
            return;
        }
        let Some(current) = &mut self.current else { return };
        if current.next != index {
            let (expected, found) = (current.next, index);
            self.current = None;
            return self.dropped(number, Dropped::Gap { expected, found });
        }
        current.next += 1;
        current.samples.push(sample);
        current.data.push(data);
        self.cut_if_full();
    }

    /// Begins segment `number` if `index` is its first sample; says once why not.
    fn begin(&mut self, number: Number, index: u64, first: Sample) -> bool {
        if self.newest.is_some_and(|newest| number <= newest) {
            return false;
        }
        self.newest = Some(number);
        let whole = self.grid.span(number, &self.rate);
        if index != whole.first {
            self.dropped(number, Dropped::Beginning(index - whole.first));
            return false;
        }
        if self.starts_on_keyframe && !first.is_sync() {
            self.dropped(number, Dropped::NoKeyframe);
            return false;
        }
        let (samples, data) = (Vec::new(), Vec::new());
        self.current = Some(Current { number, whole, part: Part(0), next: index, samples, data });
        true
    }

    fn cut_if_full(&mut self) {
        let Some(current) = &mut self.current else { return };
        let span = self.grid.part_span(current.number, current.part, &self.rate);
        if current.next < span.first + span.count {
            return;
        }
        let (samples, data) = (std::mem::take(&mut current.samples), std::mem::take(&mut current.data));
        let (number, part) = (current.number, current.part);
        let bytes = encode_part(&self.grid, number, part, &self.rate, &samples, &data);
        let last = current.next == current.whole.first + current.whole.count;
        current.part = Part(part.0 + 1);
        self.cuts.push_back(Cut::Part { number, part, last, bytes });
        if last {
            self.current = None;
        }
    }
}

/// Writes part `part` of segment `number` from its samples. Everything but the samples' bytes is
/// a function of grid and number.
pub(crate) fn encode_part(
    grid: &Grid,
    number: Number,
    part: Part,
    rate: &Rate,
    samples: &[Sample],
    data: &[Bytes],
) -> Bytes {
    let prefix = if part == Part(0) { segment_type() } else { Bytes::new() };
    let time = grid.part_span(number, part, rate).start().value;
    encode_chunk(&prefix, sequence(grid, number, part), time, rate.frame.get(), samples, data)
}

/// The `mfhd` sequence number: counts parts since 1970, modulo 2³².
fn sequence(grid: &Grid, number: Number, part: Part) -> u32 {
    let parts = number.0.wrapping_mul(u64::from(grid.parts.get())).wrapping_add(u64::from(part.0));
    u32::try_from(parts & u64::from(u32::MAX)).expect("masked to 32 bits")
}

#[cfg(test)]
mod tests;
