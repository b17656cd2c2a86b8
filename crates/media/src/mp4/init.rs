//! An initialisation segment: `ftyp` and `moov` of one track, in the one form that we publish.

use std::num::NonZeroU32;

use bytes::Bytes;
use mp4_atom::{Codec, Decode, Moov, Trex};

use super::{Mp4Error, bounds, malformed, split};
use crate::id::InitHash;

/// What a track holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Pictures of this size.
    Video {
        /// Coded width in pixels.
        width: u16,
        /// Coded height in pixels.
        height: u16,
    },
    /// Sound.
    Audio {
        /// Channels.
        channels: u16,
        /// Samples per second.
        sample_rate: u32,
    },
}

/// One track's initialisation segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Init {
    /// `ftyp` and `moov`, without an edit list: encoders with equal settings write equal bytes.
    pub bytes: Bytes,
    /// The name of these bytes.
    pub hash: InitHash,
    /// Ticks per second of the track.
    pub timescale: NonZeroU32,
    /// What the track holds.
    pub kind: Kind,
    /// The codec as RFC 6381 writes it, e.g. `avc1.64001f`, `mp4a.40.2`.
    pub codecs: String,
    /// Defaults of the samples, from `trex`.
    pub(super) defaults: Trex,
}

impl Init {
    /// Reads an initialisation segment from its boxes; other boxes than `ftyp` and `moov` are left out.
    ///
    /// # Errors
    /// Boxes that don't parse, or a movie that is not one track of a known codec.
    pub fn parse(bytes: Bytes) -> Result<Self, Mp4Error> {
        let (mut ftyp, mut moov) = (None, None);
        for next in split(bytes) {
            let next = next?;
            match &next.kind {
                b"ftyp" => ftyp = Some(next.bytes),
                b"moov" => moov = Some(next.bytes),
                _ => {}
            }
        }
        let ftyp = ftyp.ok_or(Mp4Error::Unsuitable("the init has no ftyp box"))?;
        let moov = moov.ok_or(Mp4Error::Unsuitable("the init has no moov box"))?;
        bounds::check(&moov)?;
        let moov = without_edit_list(&moov)?;
        Self::describe([&ftyp[..], &moov].concat().into(), &moov)
    }

    fn describe(bytes: Bytes, moov: &[u8]) -> Result<Self, Mp4Error> {
        let moov = Moov::decode(&mut &moov[..]).map_err(malformed("moov"))?;
        let [track] = &moov.trak[..] else {
            return Err(Mp4Error::Unsuitable("the movie has not exactly one track"));
        };
        if track.tkhd.track_id != 1 {
            return Err(Mp4Error::Unsuitable("the track's id is not 1"));
        }
        let [codec] = &track.mdia.minf.stbl.stsd.codecs[..] else {
            return Err(Mp4Error::Unsuitable("the track has not exactly one sample entry"));
        };
        let (kind, codecs) = describe_codec(codec)?;
        let timescale = NonZeroU32::new(track.mdia.mdhd.timescale);
        let defaults = moov.mvex.as_ref().and_then(|m| m.trex.first()).cloned();
        Ok(Self {
            hash: InitHash::of(&bytes),
            bytes,
            timescale: timescale.ok_or(Mp4Error::Unsuitable("the track's timescale is 0"))?,
            kind,
            codecs,
            defaults: defaults.ok_or(Mp4Error::Unsuitable("the movie is not fragmented: no trex box"))?,
        })
    }
}

fn describe_codec(codec: &Codec) -> Result<(Kind, String), Mp4Error> {
    match codec {
        Codec::Avc1(entry) => {
            let (visual, avcc) = (&entry.visual, &entry.avcc);
            let kind = Kind::Video { width: visual.width, height: visual.height };
            let (profile, level) = (avcc.avc_profile_indication, avcc.avc_level_indication);
            Ok((kind, format!("avc1.{profile:02x}{:02x}{level:02x}", avcc.profile_compatibility)))
        }
        Codec::Mp4a(entry) => {
            let config = &entry.esds.es_desc.dec_config;
            let object = config.dec_specific.as_ref().map(|s| s.profile);
            let object = object.ok_or(Mp4Error::Unsuitable("the audio has no AudioSpecificConfig"))?;
            let sample_rate = u32::from(entry.audio.sample_rate.integer());
            let kind = Kind::Audio { channels: entry.audio.channel_count, sample_rate };
            Ok((kind, format!("mp4a.{:02x}.{object}", config.object_type_indication)))
        }
        _ => Err(Mp4Error::Unsuitable("the codec is neither H.264 (avc1) nor AAC (mp4a)")),
    }
}

/// The `moov` box without `edts` in its track: an edit list holds the offset of one run of one
/// encoder, and time on the absolute grid needs none.
fn without_edit_list(moov: &Bytes) -> Result<Vec<u8>, Mp4Error> {
    let mut out = Vec::with_capacity(moov.len());
    out.extend_from_slice(&moov[..8]);
    for child in split(moov.slice(8..)) {
        let child = child?;
        if &child.kind == b"trak" {
            let start = out.len();
            out.extend_from_slice(&child.bytes[..8]);
            for grandchild in split(child.bytes.slice(8..)) {
                let grandchild = grandchild?;
                if &grandchild.kind != b"edts" {
                    out.extend_from_slice(&grandchild.bytes);
                }
            }
            set_size(&mut out, start);
        } else {
            out.extend_from_slice(&child.bytes);
        }
    }
    set_size(&mut out, 0);
    Ok(out)
}

fn set_size(out: &mut [u8], start: usize) {
    let size = u32::try_from(out.len() - start).expect("the splitter bounds a box at 64 MiB");
    out[start..start + 4].copy_from_slice(&size.to_be_bytes());
}
