//! An initialisation segment: `ftyp` and `moov` of one track, in the one form that we publish.

use std::num::NonZeroU32;

use bytes::Bytes;
use mp4_atom::{Audio, Av1c, Codec, Decode, Hvcc, Moov, Trex, Visual};

use super::{Mp4Error, bounds, malformed, split};
use crate::{codec, id::InitHash};

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
    /// Audio samples at the start of the encoder's stream that are not of its input, where the track says so:
    /// the pre-skip of Opus.
    pub priming: u16,
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
        let priming = if let Codec::Opus(entry) = codec { entry.dops.pre_skip } else { 0 };
        let timescale = NonZeroU32::new(track.mdia.mdhd.timescale);
        let defaults = moov.mvex.as_ref().and_then(|m| m.trex.first()).cloned();
        Ok(Self {
            hash: InitHash::of(&bytes),
            bytes,
            timescale: timescale.ok_or(Mp4Error::Unsuitable("the track's timescale is 0"))?,
            kind,
            codecs,
            priming,
            defaults: defaults.ok_or(Mp4Error::Unsuitable("the movie is not fragmented: no trex box"))?,
        })
    }
}

fn describe_codec(codec: &Codec) -> Result<(Kind, String), Mp4Error> {
    match codec {
        Codec::Avc1(entry) => {
            let avcc = &entry.avcc;
            let (profile, level) = (avcc.avc_profile_indication, avcc.avc_level_indication);
            Ok((pictures(&entry.visual), codec::avc1(profile, avcc.profile_compatibility, level)))
        }
        Codec::Hvc1(entry) => Ok((pictures(&entry.visual), codec::hvc1(&hevc(&entry.hvcc)))),
        Codec::Av01(entry) => Ok((pictures(&entry.visual), codec::av01(&av1(&entry.av1c)?))),
        Codec::Mp4a(entry) => {
            let config = &entry.esds.es_desc.dec_config;
            let specific = config.dec_specific.as_ref();
            let specific = specific.ok_or(Mp4Error::Unsuitable("the audio has no AudioSpecificConfig"))?;
            // ISO/IEC 14496-3, table 1.19. The sample entry of AAC says 2 whatever the track has.
            let channels = match specific.chan_conf {
                count @ 1..=6 => count.into(),
                7 => 8,
                _ => entry.audio.channel_count,
            };
            let kind = sound(&entry.audio, channels);
            Ok((kind, codec::mp4a(config.object_type_indication, specific.profile)))
        }
        Codec::Opus(entry) => {
            let channels = entry.dops.output_channel_count.into();
            Ok((sound(&entry.audio, channels), codec::OPUS.to_owned()))
        }
        _ => Err(Mp4Error::Unsuitable("the codec is none of avc1, hvc1, av01, mp4a and Opus")),
    }
}

fn pictures(visual: &Visual) -> Kind {
    Kind::Video { width: visual.width, height: visual.height }
}

fn sound(audio: &Audio, channels: u16) -> Kind {
    Kind::Audio { channels, sample_rate: u32::from(audio.sample_rate.integer()) }
}

fn hevc(config: &Hvcc) -> codec::Hevc {
    codec::Hevc {
        space: config.general_profile_space,
        profile: config.general_profile_idc,
        compatibility: u32::from_be_bytes(config.general_profile_compatibility_flags),
        high_tier: config.general_tier_flag,
        level: config.general_level_idc,
        constraints: config.general_constraint_indicator_flags,
    }
}

fn av1(config: &Av1c) -> Result<codec::Av1, Mp4Error> {
    if config.monochrome || !config.chroma_subsampling_x || !config.chroma_subsampling_y {
        return Err(Mp4Error::Unsuitable("the AV1 pictures are not 4:2:0"));
    }
    let depth = match (config.high_bitdepth, config.twelve_bit) {
        (false, _) => 8,
        (true, false) => 10,
        (true, true) => 12,
    };
    let (profile, level) = (config.seq_profile, config.seq_level_idx_0);
    Ok(codec::Av1 { profile, level, high_tier: config.seq_tier_0, depth })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn init(bytes: &'static [u8]) -> Init {
        Init::parse(Bytes::from_static(bytes)).unwrap()
    }

    #[test]
    fn every_codec_is_told_by_its_boxes() {
        let video = Kind::Video { width: 64, height: 36 };
        let audio = |channels, sample_rate| Kind::Audio { channels, sample_rate };
        let data: [(&[u8], _, _, _); 6] = [
            (include_bytes!("../../tests/data/video.mp4"), "avc1.64000a", video, 0),
            (include_bytes!("../../tests/data/hevc.mp4"), "hvc1.1.6.L30.90", video, 0),
            (include_bytes!("../../tests/data/av1.mp4"), "av01.0.00M.08", video, 0),
            (include_bytes!("../../tests/data/audio.mp4"), "mp4a.40.2", audio(1, 48_000), 0),
            // The sample entry of AAC says two channels whatever there are: the decoder's configuration counts.
            (include_bytes!("../../tests/data/surround.mp4"), "mp4a.40.2", audio(6, 44_100), 0),
            (include_bytes!("../../tests/data/opus.mp4"), "Opus", audio(1, 48_000), 312),
        ];
        for (bytes, codecs, kind, priming) in data {
            let init = init(bytes);
            assert_eq!((init.codecs.as_str(), init.kind, init.priming), (codecs, kind, priming));
        }
    }

    /// Their parameter sets may change inside the media, which one init for a whole era does not allow.
    #[test]
    fn parameter_sets_in_the_media_are_refused_by_a_sentence() {
        let video: &[u8] = include_bytes!("../../tests/data/video.mp4");
        let hevc: &[u8] = include_bytes!("../../tests/data/hevc.mp4");
        for (bytes, entry, inband) in [(video, b"avc1", b"avc3"), (hevc, b"hvc1", b"hev1")] {
            let at = bytes.windows(4).rposition(|name| name == entry).unwrap();
            let bytes = [&bytes[..at], inband, &bytes[at + 4..]].concat();
            let refused = Init::parse(bytes.into()).unwrap_err().to_string();
            assert!(refused.ends_with("the codec is none of avc1, hvc1, av01, mp4a and Opus"), "{refused}");
        }
    }
}
