//! The settings of a worker, checked.

use std::{path::PathBuf, time::Duration};

use airtight_control::ingest::PartUrl;
use airtight_media::{
    grid::Grid,
    id::{SignalName, WorkerName},
};

use super::codec::{AudioCodec, Channels, Hertz, Sound, VideoCodec, VideoFamily};
use crate::config::{SettingError, Settings};

const SIGNAL: &str = "live01";
/// A player that asks for every part asks five times a second at most.
const SHORTEST_PART_MS: u64 = 200;

/// The settings of a worker.
#[derive(Debug)]
pub struct Config {
    /// The programme.
    pub signal: SignalName,
    /// The worker's name, which begins that of each lineage.
    pub name: WorkerName,
    /// What is encoded.
    pub input: String,
    /// The shared folder, if there is one.
    pub output: Option<PathBuf>,
    /// The packagers that are fed.
    pub packagers: Vec<PartUrl>,
    /// How pictures are encoded.
    pub video: VideoCodec,
    /// How sound is encoded.
    pub sound: Sound,
    /// Segments and parts.
    pub grid: Grid,
    /// How long before its first number an era of other tracks is announced, if it may be.
    pub new_era_ms: Option<u64>,
    /// How long media is kept in the folder.
    pub retention_ms: u64,
    /// The program.
    pub ffmpeg: String,
}

impl Config {
    /// The settings of `worker`, typed.
    ///
    /// # Errors
    /// The first that can't be used.
    pub fn new(settings: &Settings) -> Result<Self, SettingError> {
        let packagers = settings.list("packagers", "")?;
        let output = settings.opt("output", Some("OUTPUT_STREAM_PATH"))?;
        let alone = packagers.is_empty();
        Ok(Self {
            signal: settings.get("signal", None, SIGNAL.parse().expect("a literal that is a name"))?,
            name: settings.get("name", None, "a".parse().expect("a literal that is a name"))?,
            input: settings.get("input", Some("INPUT_STREAM_PATH"), "./input".to_owned())?,
            output: output.or_else(|| alone.then(|| PathBuf::from("./output"))),
            packagers,
            video: video(settings)?,
            sound: sound(settings)?,
            grid: grid(settings)?,
            new_era_ms: new_era_ms(settings)?,
            retention_ms: settings.within("retention", (30, 86_400), 300)? * 1000,
            ffmpeg: settings.get("ffmpeg", None, "ffmpeg".to_owned())?,
        })
    }
}

fn video(settings: &Settings) -> Result<VideoCodec, SettingError> {
    let family = settings.get("video-codec", None, VideoFamily::H264)?;
    let asked = settings.opt::<String>("b-frames", None)?;
    let b_frames = u32::try_from(settings.within("b-frames", (0, 4), 2)?).unwrap_or(0);
    match (family, asked) {
        (VideoFamily::H264, _) => Ok(VideoCodec::H264 { b_frames }),
        (VideoFamily::Hevc, _) => Ok(VideoCodec::Hevc { b_frames }),
        (VideoFamily::Av1, Some(asked)) if b_frames > 0 => Err(SettingError::new(format!(
            "b-frames = '{asked}' can't be used: av1 has none; leave it out, or choose h264 or hevc"
        ))),
        (VideoFamily::Av1, _) => Ok(VideoCodec::Av1),
    }
}

fn sound(settings: &Settings) -> Result<Sound, SettingError> {
    let sound = Sound {
        codec: settings.get("audio-codec", None, AudioCodec::Aac)?,
        hertz: settings.get("audio-rate", None, Hertz::Hz48000)?,
        channels: settings.get("audio-channels", None, Channels::Stereo)?,
    };
    if sound.codec == AudioCodec::Opus && sound.hertz != Hertz::Hz48000 {
        return Err(SettingError::new("audio-rate = '44100' can't be used: opus has 48000 only"));
    }
    Ok(sound)
}

/// The segment and target duration.
///
/// # Errors
/// One that can't be used.
pub fn segment(settings: &Settings) -> Result<Duration, SettingError> {
    segment_millis(settings).map(Duration::from_millis)
}

fn segment_millis(settings: &Settings) -> Result<u64, SettingError> {
    settings.within("segment", (1000, 6000), 2000)
}

fn grid(settings: &Settings) -> Result<Grid, SettingError> {
    let count = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    let (millis, parts) = (segment_millis(settings)?, settings.within("parts", (1, 30), 4)?);
    if parts * SHORTEST_PART_MS > millis {
        return Err(SettingError::new(format!(
            "parts = '{parts}' can't be used: a part of a segment of {millis} ms would last less than \
             {SHORTEST_PART_MS} ms; give at most {}",
            millis / SHORTEST_PART_MS
        )));
    }
    Ok(Grid::new(count(millis), count(parts)))
}

/// The seconds before an era give every part the time to learn of it.
fn new_era_ms(settings: &Settings) -> Result<Option<u64>, SettingError> {
    let asked = settings.opt::<String>("new-era", None)?;
    asked.map(|_| settings.within("new-era", (10, 3600), 30)).transpose().map(|s| s.map(|s| s * 1000))
}
