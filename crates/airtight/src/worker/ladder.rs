//! The tracks that a source is encoded to. Pure.

use airtight_media::{grid::Rate, id::TrackName};

use super::{
    codec::{Sound, VideoCodec},
    source::{Picture, Source},
};

/// Lengths of the shorter side with their caps in bits per second, best first.
const RUNGS: [(u32, u32); 2] = [(720, 3_000_000), (360, 800_000)];

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
        /// How they are encoded.
        codec: VideoCodec,
    },
    /// Sound.
    Audio(Sound),
}

/// The tracks of a source: video from the best to the least, then audio.
///
/// A rung is named by the shorter side, whether a picture lies or stands. None is enlarged: rungs above the
/// source are left out, and a source below all of them is encoded at its own size.
pub fn renditions(source: &Source, codec: VideoCodec) -> Vec<Rendition> {
    let pictures = source.picture.iter().flat_map(|picture| pictures(picture, codec));
    let sound = source.sound.map(|sound| {
        let name = "audio".parse().expect("a literal that is a name");
        Rendition { name, form: Form::Audio(sound), rate: sound.rate(), cap: sound.cap() }
    });
    pictures.chain(sound).collect()
}

fn pictures(picture: &Picture, codec: VideoCodec) -> Vec<Rendition> {
    let shorter = picture.width.min(picture.height);
    let fitting: Vec<_> = RUNGS.into_iter().filter(|(side, _)| *side <= shorter).collect();
    let (_, least) = RUNGS[RUNGS.len() - 1];
    let rungs = if fitting.is_empty() { vec![(even(shorter, 1, 1), least)] } else { fitting };
    rungs.into_iter().map(|(side, cap)| rendition(picture, side, cap, codec)).collect()
}

fn rendition(picture: &Picture, side: u32, cap: u32, codec: VideoCodec) -> Rendition {
    let shorter = picture.width.min(picture.height);
    let form = Form::Video {
        width: even(picture.width, side, shorter),
        height: even(picture.height, side, shorter),
        codec,
    };
    let name = format!("{side}p").parse().expect("a number and a letter are a name");
    Rendition { name, form, rate: picture.rate, cap }
}

/// The even number nearest to `length · side / shorter`, the lower one of two that are equally near.
fn even(length: u32, side: u32, shorter: u32) -> u32 {
    let (scaled, shorter) = (u64::from(length) * u64::from(side), u64::from(shorter));
    let half = (scaled + shorter - 1) / (2 * shorter);
    // From 2 on, up to what encoders take.
    u32::try_from(2 * half).unwrap_or(u32::MAX).clamp(2, 16_384)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::codec::{AudioCodec, Channels, Hertz};

    const CODEC: VideoCodec = VideoCodec::H264 { b_frames: 2 };
    const SOUND: Sound = Sound { codec: AudioCodec::Aac, hertz: Hertz::Hz48000, channels: Channels::Stereo };

    fn ladder(width: u32, height: u32) -> Vec<String> {
        let rate = Rate::new(25_000, 1000);
        let source = Source { picture: Some(Picture { width, height, rate }), sound: Some(SOUND) };
        let text = |r: Rendition| match r.form {
            Form::Video { width, height, .. } => format!("{} {width}x{height} {}", r.name, r.cap),
            Form::Audio(_) => format!("{} {}", r.name, r.cap),
        };
        renditions(&source, CODEC).into_iter().map(text).collect()
    }

    #[test]
    fn the_default_ladder() {
        assert_eq!(ladder(1920, 1080), ["720p 1280x720 3000000", "360p 640x360 800000", "audio 160000"]);
    }

    #[test]
    fn a_picture_that_stands_has_the_rungs_of_one_that_lies() {
        assert_eq!(ladder(1080, 1920), ["720p 720x1280 3000000", "360p 360x640 800000", "audio 160000"]);
        assert_eq!(ladder(360, 640), ["360p 360x640 800000", "audio 160000"]);
    }

    #[test]
    fn nothing_is_enlarged_and_all_sizes_are_even() {
        assert_eq!(ladder(854, 480), ["360p 640x360 800000", "audio 160000"]);
        assert_eq!(ladder(853, 480), ["360p 640x360 800000", "audio 160000"]);
        assert_eq!(ladder(1366, 768), ["720p 1280x720 3000000", "360p 640x360 800000", "audio 160000"]);
        assert_eq!(ladder(321, 241), ["240p 320x240 800000", "audio 160000"]);
        assert_eq!(ladder(1, 1), ["2p 2x2 800000", "audio 160000"]);
    }

    #[test]
    fn a_source_is_served_with_what_it_has() {
        let silent = Source { sound: None, picture: None };
        assert!(renditions(&silent, CODEC).is_empty());
        let names: Vec<_> =
            renditions(&Source { sound: Some(SOUND), ..silent }, CODEC).into_iter().map(|r| r.name).collect();
        assert_eq!(names, ["audio".parse().unwrap()]);
    }
}
