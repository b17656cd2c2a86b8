//! One encoder's single-track fMP4 stream: bytes in, samples on the absolute grid out.
//!
//! An encoder stamps what it hears or sees first 0; `origin` says which sample since 1970 its first whole
//! one is, so that no rounding of an epoch inside the encoder can lose a tick.

use std::num::NonZeroU32;

use bytes::Bytes;
use thiserror::Error;

use crate::{
    grid::Rate,
    mp4::{Fragment, Init, Mp4Box, Mp4Error, Sample, Splitter},
};

/// A stream that can't be followed any further.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TrackError {
    /// The bytes are no media.
    #[error(transparent)]
    Mp4(#[from] Mp4Error),
    /// Media before `moov`, or `mdat` before `moof`.
    #[error("box '{0}' comes before the box that it needs")]
    Order(&'static str),
    /// The encoder was told another timescale.
    #[error("the track has timescale {found}, expected {expected}")]
    Timescale {
        /// What the init says.
        found: u32,
        /// What the rate says.
        expected: u32,
    },
    /// A sample between two places of the grid.
    #[error("a sample at {time} ticks lies off the grid of {frame} ticks")]
    OffGrid {
        /// Its decode time as the encoder stamped it, or, if the init tells of priming, since the first block.
        time: i64,
        /// The distance of samples.
        frame: u32,
    },
    /// The `mdat` box is not as long as `moof` says.
    #[error("the samples of a fragment take {expected} bytes, its mdat box holds {found}")]
    Length {
        /// The sum of the sample sizes.
        expected: u64,
        /// The length of the payload.
        found: u64,
    },
}

/// What a track consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Comes first, and once.
    Init(Init),
    /// Sample `index` since 1970, in decode order.
    Sample {
        /// Place on the absolute grid.
        index: u64,
        /// Size, flags, composition offset.
        sample: Sample,
        /// Its bytes.
        data: Bytes,
    },
}

/// Follows one stream.
#[derive(Debug)]
pub struct Reader {
    rate: Rate,
    origin: u64,
    splitter: Splitter,
    head: Option<Bytes>,
    init: Option<Init>,
    fragment: Option<Fragment>,
    ready: std::collections::VecDeque<Item>,
}

impl Reader {
    /// A reader of a stream of `rate` whose first whole sample is sample `origin` since 1970.
    pub fn new(rate: Rate, origin: u64) -> Self {
        let (splitter, ready) = (Splitter::default(), std::collections::VecDeque::new());
        Self { rate, origin, splitter, head: None, init: None, fragment: None, ready }
    }

    /// Takes the next bytes, cut anywhere.
    ///
    /// # Errors
    /// A stream that can't be followed. The reader is of no further use then.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), TrackError> {
        self.splitter.push(bytes);
        while let Some(next) = self.splitter.poll()? {
            self.take(next)?;
        }
        Ok(())
    }

    /// The next item, in the order of the stream.
    pub fn poll(&mut self) -> Option<Item> {
        self.ready.pop_front()
    }

    fn take(&mut self, next: Mp4Box) -> Result<(), TrackError> {
        match &next.kind {
            b"ftyp" => self.head = Some(next.bytes),
            b"moov" => {
                let head = self.head.take().ok_or(TrackError::Order("moov"))?;
                let init = Init::parse([head, next.bytes].concat().into())?;
                let (found, expected) = (init.timescale.get(), self.rate.scale.get());
                if found != expected {
                    return Err(TrackError::Timescale { found, expected });
                }
                self.init = Some(init.clone());
                self.ready.push_back(Item::Init(init));
            }
            b"moof" => {
                let init = self.init.as_ref().ok_or(TrackError::Order("moof"))?;
                self.fragment = Some(Fragment::parse(&next.bytes, init)?);
            }
            b"mdat" => {
                let fragment = self.fragment.take().ok_or(TrackError::Order("mdat"))?;
                self.samples(&fragment, next.payload())?;
            }
            _ => {}
        }
        Ok(())
    }

    fn samples(&mut self, fragment: &Fragment, mut data: Bytes) -> Result<(), TrackError> {
        let (expected, found) = (fragment.data_length(), data.len() as u64);
        if expected != found {
            return Err(TrackError::Length { expected, found });
        }
        let frame = self.rate.frame.get();
        let distance = i64::from(frame);
        let time = fragment.time.saturating_sub(i64::from(self.lead()));
        if time % distance != 0 {
            return Err(TrackError::OffGrid { time, frame });
        }
        for (i, sample) in (0i64..).zip(&fragment.samples) {
            let data = data.split_to(sample.size as usize);
            // The priming of an audio encoder comes before all that is of its input.
            if let Ok(since) = u64::try_from((time / distance).saturating_add(i)) {
                self.ready.push_back(Item::Sample {
                    index: self.origin.saturating_add(since),
                    sample: *sample,
                    data,
                });
            }
        }
        Ok(())
    }

    /// How long before sample `origin` the encoder's input begins: what it takes from there comes out
    /// `priming` later, and that has to be a place of the grid.
    fn lead(&self) -> u32 {
        self.init.as_ref().map_or(0, |init| lead(self.rate.frame, init.priming))
    }
}

/// How many audio samples before the first block the input of an encoder begins that puts `priming` samples
/// in front of it.
///
/// The block before, cut short by what is missing of it, and the priming itself are left out.
pub fn lead(frame: NonZeroU32, priming: u16) -> u32 {
    (frame.get() - u32::from(priming) % frame.get()) % frame.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPUS: &[u8] = include_bytes!("../tests/data/opus.mp4");
    const AUDIO: &[u8] = include_bytes!("../tests/data/audio.mp4");

    fn indices(bytes: &[u8], frame: u32, origin: u64) -> Result<Vec<u64>, TrackError> {
        let mut reader = Reader::new(Rate::new(48_000, frame), origin);
        reader.push(bytes)?;
        let items = std::iter::from_fn(|| reader.poll());
        Ok(items
            .filter_map(|i| if let Item::Sample { index, .. } = i { Some(index) } else { None })
            .collect())
    }

    #[test]
    fn the_first_whole_block_of_an_encoder_is_its_origin() {
        // 0.3 s behind 312 samples of priming are 15.3 blocks, of which the first is not all of the input.
        assert_eq!(indices(OPUS, 960, 1_000_000).unwrap(), (1_000_000..1_000_015).collect::<Vec<_>>());
        // 7 s of AAC are 328.1 blocks; one of priming lies before.
        assert_eq!(indices(AUDIO, 1024, 1_000_000).unwrap(), (1_000_000..1_000_329).collect::<Vec<_>>());
    }

    #[test]
    fn blocks_of_another_length_lie_off_the_grid() {
        assert_eq!(indices(OPUS, 1024, 0), Err(TrackError::OffGrid { time: -64, frame: 1024 }));
        assert_eq!(indices(AUDIO, 960, 0), Err(TrackError::OffGrid { time: -1024, frame: 960 }));
    }

    #[test]
    fn what_is_heard_before_the_first_block_makes_the_priming_whole() {
        let frame = |n| NonZeroU32::new(n).unwrap();
        assert_eq!([lead(frame(960), 312), lead(frame(960), 0), lead(frame(1024), 1024)], [648, 0, 0]);
        assert_eq!(lead(frame(1024), 2048 + 1), 1023);
    }
}
