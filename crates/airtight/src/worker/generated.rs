//! The generated programme: a moving picture with a clock, a beep each second, and the frame code. Pure.
//!
//! In the lowest twelfth of the picture lie 16 equal cells, black for 0 and white for 1, the lowest bit
//! left: the index of the picture since 1970, modulo 65536. Instruments read it to tell pictures apart.
//! [`Size::Small`] is the same picture in a quarter of the area, for machines that have other work to do.

use airtight_media::grid::Rate;

use super::{
    codec::Sound,
    command::{Feed, Start},
    source::{Picture, Source},
};

const WIDTH: u32 = 1280;
const HEIGHT: u32 = 720;
const FPS: u32 = 25;
/// The strip of the frame code.
const STRIP: u32 = HEIGHT / 12;
const CELLS: u32 = 16;
/// The moving square and how many pixels it moves from picture to picture.
const SQUARE: u32 = 96;
const STEP: u32 = 4;

/// How large the picture is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// 1280×720.
    Full,
    /// 640×360.
    Small,
}

impl Size {
    /// The input that stands for the programme in this size.
    pub const fn input(self) -> &'static str {
        match self {
            Self::Full => "testsrc",
            Self::Small => "testsrc-small",
        }
    }

    /// The size that an input stands for; none if it is a path.
    pub fn of(input: &str) -> Option<Self> {
        [Self::Full, Self::Small].into_iter().find(|size| size.input() == input)
    }

    /// What the source in full has, in this size.
    pub fn source(self, sound: Sound) -> Source {
        let full = source(sound);
        let shrink = |picture: Picture| Picture { width: WIDTH / 2, height: HEIGHT / 2, ..picture };
        match self {
            Self::Full => full,
            Self::Small => Source { picture: full.picture.map(shrink), ..full },
        }
    }

    /// The filters of a run from `start`, in this size.
    pub fn feed(self, start: &Start, text: bool, sound: Sound) -> Feed {
        let full = feed(start, text, sound);
        let shrink = |video| format!("{video},scale={}:{}:flags=area", WIDTH / 2, HEIGHT / 2);
        match self {
            Self::Full => full,
            Self::Small => Feed { video: full.video.map(shrink), ..full },
        }
    }
}

/// What the generated programme has; its sound is encoded as `sound`.
pub fn source(sound: Sound) -> Source {
    let rate = Rate::new(FPS * 1000, 1000);
    Source { picture: Some(Picture { width: WIDTH, height: HEIGHT, rate }), sound: Some(sound) }
}

/// The filters of a run from `start`; `text`: whether ffmpeg can draw the clock.
pub fn feed(start: &Start, text: bool, sound: Sound) -> Feed {
    let (video, audio) = (video(start.picture, text), audio(sound, start.block));
    Feed { video: Some(video), audio: Some(audio), ..Feed::default() }
}

fn video(first: u64, text: bool) -> String {
    let track = u64::from(WIDTH - SQUARE);
    let clock = if text { clock(first) } else { String::new() };
    format!(
        "smptehdbars=s={WIDTH}x{HEIGHT}:r={FPS},format=yuv420p{clock}[bars];\
         color=c=white:s={SQUARE}x{SQUARE}:r={FPS},format=yuv420p[square];\
         nullsrc=s={CELLS}x2:r={FPS},format=yuv444p,\
         geq=lum='16+219*mod(floor((N+{})/pow(2,X)),2)':cb=128:cr=128,\
         scale={WIDTH}:{STRIP}:flags=neighbor,format=yuv420p[code];\
         [bars][square]overlay=x='mod((n+{})*{STEP},{track})':y={}[moving];\
         [moving][code]overlay=x=0:y={}",
        first % 65_536,
        first % track,
        HEIGHT * 3 / 5,
        HEIGHT - STRIP,
    )
}

/// Date and time of the picture, UTC, and which picture of the second it is.
fn clock(first: u64) -> String {
    let (seconds, picture) = (first / u64::from(FPS), first % u64::from(FPS));
    // A millisecond later than the picture, so that no rounding shows the second before.
    let millis = picture * 1000 / u64::from(FPS) + 1;
    let time = format!(r"%{{pts\:gmtime\:{seconds}.{millis:03}}}");
    let within = format!(r"%{{eif\:mod(n+{picture},{FPS})\:d\:2}}");
    format!(
        ",drawtext=text='{time} UTC {within}':fontsize=56:x=(w-tw)/2:y=h/4:fontcolor=white:\
         box=1:boxcolor=black@0.7:boxborderw=20"
    )
}

/// A tone of 80 ms at each full second.
fn audio(sound: Sound, block: u64) -> String {
    let (hertz, layout) = (sound.hertz.get(), sound.channels.layout());
    let offset = sound.begin(block) % u64::from(hertz);
    let beep = hertz * 8 / 100;
    format!(
        "aevalsrc=exprs='if(lt(mod(n+{offset},{hertz}),{beep}),\
         0.25*sin(2*PI*1000*(n+{offset})/{hertz}),0)':s={hertz},aformat=channel_layouts={layout}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::codec::{AudioCodec, Channels, Hertz};

    #[test]
    fn every_count_begins_at_the_first_picture() {
        let video = video(65_536 * 1000 + 7, false);
        assert!(video.contains("floor((N+7)/pow(2,X))"), "{video}");
        assert!(video.contains(&format!("mod((n+{})*4,1184)", 65_536_007 % 1184)), "{video}");
        assert!(!video.contains("drawtext"));
    }

    #[test]
    fn the_small_programme_is_the_same_in_a_quarter_of_the_area() {
        let aac = Sound { codec: AudioCodec::Aac, hertz: Hertz::Hz48000, channels: Channels::Stereo };
        let start = Start { picture: 7, block: 3 };
        let (full, small) = (feed(&start, false, aac), Size::Small.feed(&start, false, aac));
        assert_eq!(small.video, full.video.map(|video| format!("{video},scale=640:360:flags=area")));
        assert_eq!(small.audio, full.audio);
        let picture = Size::Small.source(aac).picture.unwrap();
        assert_eq!((picture.width, picture.height), (640, 360));
        assert_eq!(Size::of("testsrc-small"), Some(Size::Small));
        assert_eq!(Size::of("film.mp4"), None);
    }

    #[test]
    fn the_beep_lies_on_the_second() {
        let aac = Sound { codec: AudioCodec::Aac, hertz: Hertz::Hz48000, channels: Channels::Stereo };
        // 375 audio frames are 8 s.
        assert!(audio(aac, 375).contains("mod(n+0,48000),3840)"));
        assert!(audio(aac, 376).contains("mod(n+1024,48000)"));
        // 50 blocks are a second; Opus hears 648 samples earlier.
        assert!(audio(Sound { codec: AudioCodec::Opus, ..aac }, 51).contains("mod(n+312,48000)"));
    }
}
