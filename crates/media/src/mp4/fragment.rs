//! A movie fragment: which samples it holds, and when.

use bytes::Bytes;
use mp4_atom::{Decode, Moof};

use super::{Init, Mp4Error, bounds, malformed};

/// `sample_is_non_sync_sample` of ISO/IEC 14496-12.
const NON_SYNC: u32 = 0x0001_0000;

/// One picture, or one block of audio samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Length in ticks.
    pub duration: u32,
    /// Length in bytes.
    pub size: u32,
    /// The flags of ISO/IEC 14496-12, 8.8.3.1.
    pub flags: u32,
    /// Presentation time less decode time, in ticks.
    pub offset: i32,
}

impl Sample {
    /// True if decoding can begin here.
    pub fn is_sync(&self) -> bool {
        self.flags & NON_SYNC == 0
    }
}

/// What a `moof` box says of the `mdat` box that follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// Decode time of the first sample in ticks; negative for the priming of an audio encoder.
    pub time: i64,
    /// The samples in decode order, back to back from the first byte of the `mdat` payload.
    pub samples: Vec<Sample>,
}

impl Fragment {
    /// Reads a whole `moof` box of the track that `init` describes.
    ///
    /// # Errors
    /// A box that does not parse, or a fragment that is not one run of one track whose data
    /// begins right behind the box.
    pub fn parse(moof: &Bytes, init: &Init) -> Result<Self, Mp4Error> {
        bounds::check(moof)?;
        let length = moof.len();
        let moof = Moof::decode(&mut &moof[..]).map_err(malformed("moof"))?;
        let [traf] = &moof.traf[..] else {
            return Err(Mp4Error::Unsuitable("a fragment has not exactly one track"));
        };
        let [run] = &traf.trun[..] else {
            return Err(Mp4Error::Unsuitable("a fragment has not exactly one run of samples"));
        };
        let time = traf.tfdt.as_ref().ok_or(Mp4Error::Unsuitable("a fragment has no tfdt box"))?;
        let data = run.data_offset.and_then(|o| usize::try_from(o).ok());
        if data != Some(length + 8) || !traf.tfhd.default_base_is_moof {
            return Err(Mp4Error::Unsuitable("a fragment's data does not begin right behind its moof box"));
        }
        let (header, defaults) = (&traf.tfhd, &init.defaults);
        let sample = |entry: mp4_atom::TrunEntry| {
            let offset = i32::try_from(entry.cts.unwrap_or(0));
            Ok(Sample {
                duration: entry
                    .duration
                    .or(header.default_sample_duration)
                    .unwrap_or(defaults.default_sample_duration),
                size: entry.size.or(header.default_sample_size).unwrap_or(defaults.default_sample_size),
                flags: entry.flags.or(header.default_sample_flags).unwrap_or(defaults.default_sample_flags),
                offset: offset.map_err(|_| Mp4Error::Unsuitable("a composition offset exceeds 31 bits"))?,
            })
        };
        // A run that inherits everything is a count without bytes behind it: the data bounds it.
        if run.samples.len() > MOST_SAMPLES {
            return Err(Mp4Error::Unsuitable("a fragment has more than 65,536 samples"));
        }
        let samples: Vec<Sample> = run.samples.iter().map(sample).collect::<Result<_, _>>()?;
        // A sample costs memory: it has to have cost its sender a byte.
        if samples.iter().any(|s| s.size == 0) {
            return Err(Mp4Error::Unsuitable("a sample has no bytes"));
        }
        Ok(Self {
            // tfdt is unsigned; ffmpeg writes the priming of AAC as a wrapped negative time.
            time: time.base_media_decode_time.cast_signed(),
            samples,
        })
    }

    /// The bytes that the samples take together.
    pub fn data_length(&self) -> u64 {
        self.samples.iter().map(|s| u64::from(s.size)).sum()
    }
}

const MOST_SAMPLES: usize = 1 << 16;
