//! What pictures and sound are encoded with, and the options that make ffmpeg's encoders join anywhere. Pure.
//!
//! Every encoder is told: keyframes where they are forced and nowhere else, closed groups of pictures, no
//! segment larger than the cap, and nothing in the init that depends on the machine.

use std::{fmt, str::FromStr};

use airtight_media::{
    grid::{Grid, Rate},
    track,
};

/// Bits per second of each audio channel.
const CHANNEL_BITS: u32 = 64_000;
/// Audio encoders swing about their mean; a playlist states what they never exceed.
const CHANNEL_CAP: u32 = 80_000;
/// Samples that libopus puts in front of its input at 48 kHz: 6.5 ms.
const OPUS_PRIMING: u16 = 312;

/// The family of a picture codec, as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VideoFamily {
    /// H.264.
    H264,
    /// HEVC.
    Hevc,
    /// AV1.
    Av1,
}

impl FromStr for VideoFamily {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "h264" => Ok(Self::H264),
            "hevc" => Ok(Self::Hevc),
            "av1" => Ok(Self::Av1),
            _ => Err("expected h264, hevc or av1"),
        }
    }
}

/// How pictures are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VideoCodec {
    /// H.264 by x264.
    H264 {
        /// The most B-frames between two others.
        b_frames: u32,
    },
    /// HEVC by x265.
    Hevc {
        /// The most B-frames between two others.
        b_frames: u32,
    },
    /// AV1 by libaom; there are no B-frames.
    Av1,
}

impl fmt::Display for VideoCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::H264 { .. } => "h264",
            Self::Hevc { .. } => "hevc",
            Self::Av1 => "av1",
        })
    }
}

impl VideoCodec {
    /// The encoder's name in ffmpeg.
    pub fn encoder(self) -> &'static str {
        match self {
            Self::H264 { .. } => "libx264",
            Self::Hevc { .. } => "libx265",
            Self::Av1 => "libaom-av1",
        }
    }

    /// The encoder's options, without those that place keyframes.
    pub fn options(self, cap: u32, rate: &Rate, grid: &Grid) -> String {
        let (bits, buffer) = budget(cap, grid);
        let gop = longest(rate, grid);
        // The place of the chroma samples would come from the source, and differ from that of the slate.
        let own = match self {
            Self::H264 { b_frames } => {
                format!(
                    "-preset veryfast -profile:v high -crf 23 -bf {b_frames} -sc_threshold 0 -flags +cgop -forced-idr 1 \
                     -x264-params chromaloc=0"
                )
            }
            // Without `info` the init holds no list of options that names the machine's features.
            Self::Hevc { b_frames } => format!(
                "-preset superfast -profile:v main -crf 26 -bf {b_frames} -forced-idr 1 -tag:v hvc1 \
                 -x265-params info=0:chromaloc=0:scenecut=0:open-gop=0:log-level=error"
            ),
            Self::Av1 => format!("-usage realtime -cpu-used 8 -row-mt 1 -b:v {bits}"),
        };
        let encoder = self.encoder();
        format!(
            "-c:v {encoder} -pix_fmt yuv420p {own} -maxrate {bits} -bufsize {buffer} -g {gop} -keyint_min {gop}"
        )
    }
}

/// `-maxrate` and `-bufsize`, with which no segment exceeds the cap: what a segment can take is its
/// share of the rate and the whole buffer; the boxes around it have the rest.
fn budget(cap: u32, grid: &Grid) -> (u64, u64) {
    let cap = u64::from(cap);
    (cap * 75 / 100, cap * u64::from(grid.millis.get()) / 5000)
}

/// The most samples that a segment can have.
pub fn longest(rate: &Rate, grid: &Grid) -> u64 {
    let segment = u64::from(grid.millis.get()) * u64::from(rate.scale.get());
    segment.div_ceil(u64::from(rate.frame.get()) * 1000)
}

/// A sound codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AudioCodec {
    /// AAC-LC by ffmpeg's own encoder.
    Aac,
    /// Opus by libopus.
    Opus,
}

impl FromStr for AudioCodec {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "aac" => Ok(Self::Aac),
            "opus" => Ok(Self::Opus),
            _ => Err("expected aac or opus"),
        }
    }
}

impl fmt::Display for AudioCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aac => "aac",
            Self::Opus => "opus",
        })
    }
}

/// How many channels a track has: mono, stereo, 5.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    /// One.
    Mono,
    /// Two.
    Stereo,
    /// Five, and one for the lowest tones.
    Surround,
}

impl Channels {
    /// How many.
    pub fn count(self) -> u32 {
        match self {
            Self::Mono => 1,
            Self::Stereo => 2,
            Self::Surround => 6,
        }
    }

    /// Its name in ffmpeg.
    pub fn layout(self) -> &'static str {
        match self {
            Self::Mono => "mono",
            Self::Stereo => "stereo",
            Self::Surround => "5.1",
        }
    }
}

impl FromStr for Channels {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "1" => Ok(Self::Mono),
            "2" => Ok(Self::Stereo),
            "6" => Ok(Self::Surround),
            _ => Err("expected 1, 2 or 6"),
        }
    }
}

/// Samples per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hertz {
    /// 44.1 kHz.
    Hz44100,
    /// 48 kHz.
    Hz48000,
}

impl Hertz {
    /// As a number.
    pub fn get(self) -> u32 {
        match self {
            Self::Hz44100 => 44_100,
            Self::Hz48000 => 48_000,
        }
    }
}

impl FromStr for Hertz {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "44100" => Ok(Self::Hz44100),
            "48000" => Ok(Self::Hz48000),
            _ => Err("expected 44100 or 48000"),
        }
    }
}

/// How sound is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sound {
    /// The codec.
    pub codec: AudioCodec,
    /// Samples per second; Opus has 48 kHz only.
    pub hertz: Hertz,
    /// Channels.
    pub channels: Channels,
}

impl Sound {
    /// Samples in one block: what the codec encodes at once.
    pub fn frame(&self) -> u32 {
        match self.codec {
            AudioCodec::Aac => 1024,
            AudioCodec::Opus => 960,
        }
    }

    /// How the blocks follow each other.
    pub fn rate(&self) -> Rate {
        Rate::new(self.hertz.get(), self.frame())
    }

    /// The track's bandwidth never exceeds this, in bits per second.
    pub fn cap(&self) -> u32 {
        CHANNEL_CAP * self.channels.count()
    }

    /// The sample since 1970 from which on the encoder has to hear, so that its first whole block is `block`.
    pub fn begin(&self, block: u64) -> u64 {
        (block * u64::from(self.frame())).saturating_sub(self.lead())
    }

    /// The first block whose encoder hears nothing earlier than `value/scale` seconds.
    pub fn first_block(&self, value: u64, scale: u32) -> u64 {
        let samples = u128::from(value) * u128::from(self.hertz.get());
        let first = samples.div_ceil(u128::from(scale)) + u128::from(self.lead());
        u64::try_from(first.div_ceil(u128::from(self.frame()))).unwrap_or(u64::MAX)
    }

    fn lead(&self) -> u64 {
        match self.codec {
            // The priming is one whole block.
            AudioCodec::Aac => 0,
            AudioCodec::Opus => u64::from(track::lead(self.rate().frame, OPUS_PRIMING)),
        }
    }

    /// The encoder's name in ffmpeg.
    pub fn encoder(&self) -> &'static str {
        match self.codec {
            AudioCodec::Aac => "aac",
            AudioCodec::Opus => "libopus",
        }
    }

    /// The encoder and its options.
    pub fn options(&self) -> String {
        let own = match self.codec {
            AudioCodec::Aac => "",
            AudioCodec::Opus => " -application audio -frame_duration 20 -vbr constrained",
        };
        let (encoder, hertz, channels) = (self.encoder(), self.hertz.get(), self.channels.count());
        format!("-c:a {encoder}{own} -b:a {} -ar {hertz} -ac {channels}", CHANNEL_BITS * channels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPUS: Sound = Sound { codec: AudioCodec::Opus, hertz: Hertz::Hz48000, channels: Channels::Stereo };

    #[test]
    fn opus_hears_so_much_earlier_that_its_blocks_lie_on_the_grid() {
        // 648 and 312 samples are one block: what comes out is 312 samples late, and so begins with block 9.
        assert_eq!(OPUS.begin(10), 9600 - 648);
        for millis in 1_795_477_632_000..1_795_477_632_100 {
            let block = OPUS.first_block(millis, 1000);
            assert!(OPUS.begin(block) >= millis * 48 && OPUS.begin(block - 1) < millis * 48, "{millis}");
        }
        let aac = Sound { codec: AudioCodec::Aac, ..OPUS };
        assert_eq!((aac.begin(10), aac.first_block(1, 1000)), (10_240, 1));
    }

    #[test]
    fn no_segment_can_exceed_the_cap() {
        for millis in [1000, 2000, 6000] {
            let grid = Grid::new(millis, 4);
            let (rate, buffer) = budget(3_000_000, &grid);
            let most = rate * u64::from(millis) / 1000 + buffer;
            assert!(most * 1000 / u64::from(millis) <= 3_000_000 * 96 / 100, "{millis} ms: {most} bits");
        }
    }
}
