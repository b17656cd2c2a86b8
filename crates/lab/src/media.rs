//! Segments as a decoder meets them: boxes, decode times, where decoding can begin.
//!
//! The only module that knows mp4-atom. [`Init::read`] and [`Init::timing`] read bytes, [`Continuity`] holds
//! one segment against the one before and against its lines in the playlist.

mod bounds;
mod continuity;

use std::time::Duration;

use mp4_atom::{Atom, Buf, Decode, FourCC, Header, Moof, Moov};
use thiserror::Error;

pub use continuity::{Continuity, Dates};

/// `sample_is_non_sync_sample` of ISO/IEC 14496-12.
const NON_SYNC: u32 = 0x0001_0000;
/// More in one fragment than any segment of a day has: the count is not backed by bytes.
const MOST_SAMPLES: usize = 1 << 24;

/// Why bytes are no media.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Flaw(String);

/// What an initialisation section says of its track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Init {
    /// Ticks per second.
    pub scale: u32,
    /// Whether the track is video.
    pub pictures: bool,
    track: u32,
    duration: u32,
    flags: u32,
}

/// When the samples of a segment are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Decode time of the first sample, in ticks.
    pub start: u64,
    /// Decode time at which the last sample is over, in ticks.
    pub end: u64,
    /// Ticks per second.
    pub scale: u32,
    /// Its samples.
    pub samples: usize,
    /// The longest of them.
    pub longest: Duration,
    /// Whether decoding can begin with the first.
    pub sync: bool,
}

impl Init {
    /// Reads an initialisation section of one track.
    ///
    /// # Errors
    /// It can't initialise a parser of fragments (§3.1.2).
    pub fn read(bytes: &[u8]) -> Result<Self, Flaw> {
        let boxes = boxes(bytes)?;
        let at = |kind: FourCC| boxes.iter().position(|(found, _)| *found == kind);
        let (ftyp, moov) = (at(FourCC::new(b"ftyp")), at(Moov::KIND));
        let Some(moov) = moov.filter(|moov| ftyp.is_some_and(|ftyp| ftyp < *moov)) else {
            return Err(Flaw("an init is an ftyp box and then a moov box".to_owned()));
        };
        let moov = decode::<Moov>(boxes[moov].1)?;
        let [trak] = &moov.trak[..] else {
            return Err(Flaw(format!("an init has one track, this one has {}", moov.trak.len())));
        };
        let Some(defaults) = moov.mvex.as_ref().and_then(|mvex| mvex.trex.first()) else {
            return Err(Flaw("the movie is not fragmented: there is no trex box".to_owned()));
        };
        if trak.mdia.mdhd.timescale == 0 {
            return Err(Flaw("the timescale is 0".to_owned()));
        }
        Ok(Self {
            scale: trak.mdia.mdhd.timescale,
            pictures: trak.mdia.hdlr.handler == FourCC::new(b"vide"),
            track: trak.tkhd.track_id,
            duration: defaults.default_sample_duration,
            flags: defaults.default_sample_flags,
        })
    }

    /// Reads a segment of this track.
    ///
    /// # Errors
    /// It is not whole fragments, one after the other in time, each counted from its `moof` (§3.1.2).
    pub fn timing(&self, segment: &[u8]) -> Result<Timing, Flaw> {
        let boxes = boxes(segment)?;
        let mut timing: Option<Timing> = None;
        let mut fragments = boxes.iter().enumerate().filter(|(_, (kind, _))| *kind == Moof::KIND);
        fragments.try_for_each(|(i, (_, bytes))| {
            if boxes.get(i + 1).is_none_or(|(kind, _)| *kind != FourCC::new(b"mdat")) {
                return Err(Flaw("a moof box has no mdat box behind it".to_owned()));
            }
            let fragment = self.fragment(&decode(bytes)?)?;
            let whole = timing.get_or_insert(fragment);
            if *whole != fragment {
                whole.append(fragment)?;
            }
            Ok(())
        })?;
        timing.filter(|timing| timing.samples > 0).ok_or_else(|| Flaw("there is no sample in it".to_owned()))
    }

    fn fragment(&self, moof: &Moof) -> Result<Timing, Flaw> {
        let [traf] = &moof.traf[..] else {
            return Err(Flaw(format!("a fragment is of one track, this one of {}", moof.traf.len())));
        };
        let header = &traf.tfhd;
        if header.track_id != self.track {
            return Err(Flaw(format!(
                "a fragment is of track {}, the init of {}",
                header.track_id, self.track
            )));
        }
        if !header.default_base_is_moof {
            return Err(Flaw("a fragment is not counted from its moof box".to_owned()));
        }
        let start = traf.tfdt.as_ref().ok_or_else(|| Flaw("a fragment has no tfdt box".to_owned()))?;
        let start = start.base_media_decode_time;
        let (mut ticks, mut samples, mut longest, mut first) = (0_u64, 0_usize, 0_u32, None);
        for run in &traf.trun {
            samples += run.samples.len();
            if samples > MOST_SAMPLES {
                return Err(Flaw(format!("a fragment has more than {MOST_SAMPLES} samples")));
            }
            for sample in run.samples.iter() {
                let duration = sample.duration.or(header.default_sample_duration).unwrap_or(self.duration);
                ticks += u64::from(duration);
                longest = longest.max(duration);
                first.get_or_insert(sample.flags.or(header.default_sample_flags).unwrap_or(self.flags));
            }
        }
        let end = start.checked_add(ticks).ok_or_else(|| Flaw(format!("tfdt {start} is too late")))?;
        let sync = first.is_none_or(|flags| flags & NON_SYNC == 0);
        let longest = Duration::from_secs_f64(f64::from(longest) / f64::from(self.scale));
        Ok(Timing { start, end, scale: self.scale, samples, longest, sync })
    }
}

impl Timing {
    fn append(&mut self, next: Self) -> Result<(), Flaw> {
        if next.start != self.end {
            return Err(Flaw(format!(
                "a fragment begins at {}, the one before ends at {}",
                next.start, self.end
            )));
        }
        self.end = next.end;
        self.samples += next.samples;
        self.longest = self.longest.max(next.longest);
        Ok(())
    }

    /// From the first sample to the end of the last.
    pub fn duration(&self) -> Duration {
        time(self.end - self.start, self.scale)
    }
}

/// `ticks` of `scale` per second.
fn time(ticks: u64, scale: u32) -> Duration {
    let scale = u64::from(scale);
    let nanos = ticks % scale * 1_000_000_000 / scale;
    Duration::from_secs(ticks / scale) + Duration::from_nanos(nanos)
}

/// The boxes of `bytes`, whole, each with its header.
fn boxes(bytes: &[u8]) -> Result<Vec<(FourCC, &[u8])>, Flaw> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while rest.has_remaining() {
        let whole = rest;
        let header = Header::decode(&mut rest).map_err(|error| Flaw(format!("no box header: {error}")))?;
        let body = header.size.filter(|size| *size <= rest.len());
        let Some(body) = body else {
            let (kind, offset) = (header.kind, bytes.len() - whole.len());
            return Err(Flaw(format!("the bytes end inside the {kind} box at byte {offset}")));
        };
        let length = whole.len() - rest.len() + body;
        found.push((header.kind, &whole[..length]));
        rest = &whole[length..];
    }
    Ok(found)
}

fn decode<T: Decode + Atom>(mut bytes: &[u8]) -> Result<T, Flaw> {
    bounds::check(bytes)?;
    T::decode(&mut bytes).map_err(|error| Flaw(format!("the {} box can't be read: {error}", T::KIND)))
}

#[cfg(test)]
mod tests;
