//! One encoder's single-track fMP4 stream: bytes in, samples on the absolute grid out.
//!
//! An encoder stamps its first sample 0; `origin` says which sample since 1970 that is, so that
//! no rounding of an epoch inside the encoder can lose a tick.

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
        /// Its decode time as the encoder stamped it.
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
    /// A reader of a stream of `rate` whose time 0 is sample `origin` since 1970.
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
        let (time, distance) = (fragment.time, i64::from(frame));
        if time % distance != 0 {
            return Err(TrackError::OffGrid { time, frame });
        }
        for (i, sample) in (0i64..).zip(&fragment.samples) {
            let data = data.split_to(sample.size as usize);
            // The priming of an audio encoder lies before the origin and, at worst, before 1970.
            if let Some(index) = self.origin.checked_add_signed(time / distance + i) {
                self.ready.push_back(Item::Sample { index, sample: *sample, data });
            }
        }
        Ok(())
    }
}
