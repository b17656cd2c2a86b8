//! The generated programme: a moving picture with a clock, a beep each second, and the frame code. Pure.
//!
//! In the lowest twelfth of the picture lie 16 equal cells, black for 0 and white for 1, the lowest bit
//! left: the index of the picture since 1970, modulo 65536. Instruments read it to tell pictures apart.

use std::num::NonZeroU32;

use airtight_media::grid::Rate;

use super::{
    command::{Feed, Start},
    ladder::{AUDIO_FRAME, AUDIO_HZ},
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

/// What the generated programme has.
pub fn source() -> Source {
    let positive = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    let rate = Rate { scale: positive(FPS * 1000), frame: positive(1000) };
    Source { picture: Some(Picture { width: WIDTH, height: HEIGHT, rate }), sound: true }
}

/// The filters of a run from `start`; `text`: whether ffmpeg can draw the clock.
pub fn feed(start: &Start, text: bool) -> Feed {
    Feed { input: Vec::new(), video: Some(video(start.picture, text)), audio: Some(audio(start.block)) }
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
fn audio(block: u64) -> String {
    let offset = block * u64::from(AUDIO_FRAME) % u64::from(AUDIO_HZ);
    format!(
        "aevalsrc=exprs='if(lt(mod(n+{offset},{AUDIO_HZ}),3840),\
         0.25*sin(2*PI*1000*(n+{offset})/{AUDIO_HZ}),0)':s={AUDIO_HZ},aformat=channel_layouts=stereo"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_begins_at_the_first_picture() {
        let video = video(65_536 * 1000 + 7, false);
        assert!(video.contains("floor((N+7)/pow(2,X))"), "{video}");
        assert!(video.contains(&format!("mod((n+{})*4,1184)", 65_536_007 % 1184)), "{video}");
        assert!(!video.contains("drawtext"));
    }

    #[test]
    fn the_beep_lies_on_the_second() {
        // 375 audio frames are 8 s.
        assert!(audio(375).contains("mod(n+0,48000)"));
        assert!(audio(376).contains("mod(n+1024,48000)"));
    }
}
