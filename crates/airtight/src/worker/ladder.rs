//! The tracks that a source is encoded to. Pure.

use std::num::NonZeroU32;

use airtight_media::{grid::Rate, id::TrackName};

use super::source::{Picture, Source};

/// Samples per second of every audio track.
pub const AUDIO_HZ: u32 = 48_000;
/// Samples in one AAC frame.
pub const AUDIO_FRAME: u32 = 1024;
/// The encoded audio, in bits per second.
pub const AUDIO_BITS: u32 = 128_000;

/// Heights of the ladder with their caps in bits per second, best first.
const RUNGS: [(u32, u32); 2] = [(720, 3_000_000), (360, 800_000)];
/// The audio encoder swings about its mean; a playlist states what it never exceeds.
const AUDIO_CAP: u32 = 160_000;

/// What a track is encoded to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendition {
    /// The name of the track.
    pub name: TrackName,
    /// Picture or sound.
    pub form: Form,
    /// How its samples follow each other.
    pub rate: Rate,
    /// Its bandwidth never exceeds this, in bits per second.
    pub cap: u32,
}

/// Picture or sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Pictures of this size in pixels, both even.
    Video {
        /// Width.
        width: u32,
        /// Height.
        height: u32,
    },
    /// Stereo.
    Audio,
}

/// The rate of all audio tracks.
pub fn audio_rate() -> Rate {
    let positive = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    Rate { scale: positive(AUDIO_HZ), frame: positive(AUDIO_FRAME) }
}

/// The tracks of a source: video from the best to the least, then audio.
///
/// A picture is never enlarged: rungs higher than the source are left out, and a source lower than
/// all of them is encoded at its own size.
pub fn renditions(source: &Source) -> Vec<Rendition> {
    let mut renditions: Vec<_> = source.picture.iter().flat_map(pictures).collect();
    if source.sound {
        let name = "audio".parse().expect("a literal that is a name");
        renditions.push(Rendition { name, form: Form::Audio, rate: audio_rate(), cap: AUDIO_CAP });
    }
    renditions
}

fn pictures(picture: &Picture) -> Vec<Rendition> {
    let fitting: Vec<_> = RUNGS.into_iter().filter(|(height, _)| *height <= picture.height).collect();
    let (_, least) = RUNGS[RUNGS.len() - 1];
    let rungs = if fitting.is_empty() { vec![(picture.height, least)] } else { fitting };
    rungs.into_iter().map(|(height, cap)| rendition(picture, height, cap)).collect()
}

fn rendition(picture: &Picture, height: u32, cap: u32) -> Rendition {
    let width = u64::from(picture.width) * u64::from(height) / u64::from(picture.height);
    let form = Form::Video { width: even(width), height: even(u64::from(height)) };
    let name = format!("{height}p").parse().expect("a number and a letter are a name");
    Rendition { name, form, rate: picture.rate, cap }
}

/// The nearest even number from 2 on that the encoder takes.
fn even(pixels: u64) -> u32 {
    u32::try_from(pixels.div_ceil(2) * 2).unwrap_or(u32::MAX).clamp(2, 16_384)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ladder(width: u32, height: u32) -> Vec<String> {
        let rate = Rate { scale: NonZeroU32::new(25_000).unwrap(), frame: NonZeroU32::new(1000).unwrap() };
        let source = Source { picture: Some(Picture { width, height, rate }), sound: true };
        let text = |r: Rendition| match r.form {
            Form::Video { width, height } => format!("{} {width}x{height} {}", r.name, r.cap),
            Form::Audio => format!("{} {}", r.name, r.cap),
        };
        renditions(&source).into_iter().map(text).collect()
    }

    #[test]
    fn the_default_ladder() {
        assert_eq!(ladder(1920, 1080), ["720p 1280x720 3000000", "360p 640x360 800000", "audio 160000"]);
    }

    #[test]
    fn nothing_is_enlarged_and_all_sizes_are_even() {
        assert_eq!(ladder(854, 480), ["360p 640x360 800000", "audio 160000"]);
        assert_eq!(ladder(321, 241), ["241p 322x242 800000", "audio 160000"]);
        assert_eq!(ladder(1080, 1920), ["720p 406x720 3000000", "360p 202x360 800000", "audio 160000"]);
    }

    #[test]
    fn a_source_is_served_with_what_it_has() {
        let silent = Source { sound: false, picture: None };
        assert!(renditions(&silent).is_empty());
        let names: Vec<_> =
            renditions(&Source { sound: true, ..silent }).into_iter().map(|r| r.name).collect();
        assert_eq!(names, ["audio".parse().unwrap()]);
    }
}
