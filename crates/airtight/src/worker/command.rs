//! The arguments of ffmpeg: one output per track, cut by nobody but us. Pure.
//!
//! ffmpeg stamps the first sample of every track 0; [`Start`] says which samples since 1970 those are.
//! Nothing here rounds an epoch to a time: keyframes are forced by integers that a double holds exactly.

use airtight_media::{
    grid::{Grid, Number, Rate},
    parity::SIDE,
};

use super::{
    codec::{Sound, VideoCodec, longest},
    ladder::{Form, Rendition},
    signs,
    source::{Source, gcd},
};

/// Fragments of one sample, stamped by the encoder's clock; no edit list, no trailer.
const MOVFLAGS: &str =
    "+empty_moov+default_base_moof+frag_every_frame+frag_discont+skip_trailer+negative_cts_offsets";

/// For an encoder that tells its configuration with the first picture only.
const LATE_MOOV: &str = "+delay_moov -use_editlist 0";

/// The last options of a `scale` filter, and what follows it: whatever the source says of its colours and
/// pixels, every track says the same, so that no init depends on the source.
const COLOURS: &str = "out_color_matrix=bt709:out_range=tv,setsar=1,format=yuv420p,\
                       setparams=field_mode=prog:range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709";

/// Which samples since 1970 a run begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// The first picture.
    pub picture: u64,
    /// The first audio frame: the first whose encoder hears nothing earlier than the first picture.
    pub block: u64,
}

impl Start {
    /// The start of a run whose first sample is due at `millis` since 1970.
    pub fn at(millis: u64, source: &Source) -> Self {
        let block = |value, scale| source.sound.map_or(0, |sound| sound.first_block(value, scale));
        let Some(picture) = source.picture else {
            return Self { picture: 0, block: block(millis, 1000) };
        };
        let rate = picture.rate;
        let first = first_at_or_after(millis, &rate);
        Self { picture: first, block: block(rate.ticks(first).value, rate.scale.get()) }
    }

    /// Index since 1970 of the first sample of a track.
    pub fn origin(&self, form: Form) -> u64 {
        match form {
            Form::Video { .. } => self.picture,
            Form::Audio(_) => self.block,
        }
    }

    /// The first segment that a run will hold whole, in all of its tracks.
    pub fn first_whole(&self, grid: &Grid, renditions: &[Rendition]) -> Number {
        let whole = renditions.iter().map(|rendition| {
            let origin = self.origin(rendition.form);
            let number = grid.number_of(origin, &rendition.rate);
            if grid.span(number, &rendition.rate).first == origin { number } else { number.next() }
        });
        whole.max().unwrap_or(Number(0))
    }
}

/// The first sample at or after `millis`.
fn first_at_or_after(millis: u64, rate: &Rate) -> u64 {
    let ticks = u128::from(millis) * u128::from(rate.scale.get());
    let index = ticks.div_ceil(1000 * u128::from(rate.frame.get()));
    u64::try_from(index).unwrap_or(u64::MAX)
}

/// The name and the text of a list of files that ffmpeg reads.
pub type List = (String, String);

/// The pictures and the sound of a source as filters that stamp the first sample of a run 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Feed {
    /// Options up to and with `-i`; none if the filters need no input.
    pub input: Vec<String>,
    /// Lists that have to be written before ffmpeg reads them.
    pub lists: Vec<List>,
    /// The filters that give the pictures.
    pub video: Option<String>,
    /// The filters that give the sound, in the channels of its track.
    pub audio: Option<String>,
}

/// How fast ffmpeg works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As fast as time passes.
    Live,
    /// As fast as it can, for so many milliseconds of media.
    #[cfg_attr(not(test), expect(dead_code, reason = "a programme on the air is always paced"))]
    Free(u64),
}

/// Where ffmpeg writes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outputs {
    /// Each track.
    pub tracks: Vec<String>,
    /// What the detectors find in the pictures.
    pub pictures: String,
    /// What they find in the sound.
    pub sound: String,
    /// What each picture looks like: [`SIDE`] rows of as many bytes of luma.
    pub luma: String,
}

/// The arguments that encode `feed` to one output per rendition.
pub fn encode(
    feed: &Feed,
    renditions: &[Rendition],
    grid: &Grid,
    start: &Start,
    pace: Pace,
    outputs: &Outputs,
) -> Vec<String> {
    let mut args = common();
    args.extend(["-progress", "pipe:1", "-stats_period", "1"].map(str::to_owned));
    args.extend(feed.input.iter().cloned());
    args.extend(["-filter_complex".to_owned(), graph(feed, renditions, start, pace, outputs)]);
    let map = |label: &str| {
        let until = match pace {
            Pace::Free(millis) => format!(" -t {}.{:03}", millis / 1000, millis % 1000),
            Pace::Live => String::new(),
        };
        words(&format!("-map [{label}]{until}"))
    };
    for (index, (rendition, url)) in renditions.iter().zip(&outputs.tracks).enumerate() {
        args.extend(map(&format!("o{index}")));
        args.extend(output(rendition, grid, &keyframes(&rendition.rate, grid, start.picture), url));
    }
    if feed.video.is_some() {
        args.extend(map(LOOK));
        args.extend(words("-fps_mode passthrough -flush_packets 1 -f rawvideo"));
        args.push(outputs.luma.clone());
    }
    args
}

/// The words of a text, an argument each.
pub(super) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// The arguments that make the slate of every rendition: longer than a segment, every picture a
/// keyframe, audio silent, all else as on the air.
pub fn slate(renditions: &[Rendition], grid: &Grid, text: bool, outputs: &[String]) -> Vec<String> {
    let mut args = common();
    let sources = renditions.iter().enumerate().map(|(index, rendition)| {
        let samples = longest(&rendition.rate, grid) + 1;
        match rendition.form {
            Form::Video { width, height, .. } => {
                let Rate { scale, frame } = rendition.rate;
                let words = if text { SLATE_TEXT } else { "" };
                format!(
                    "color=c=0x12161c:s={width}x{height}:r={scale}/{frame}{words},scale={COLOURS},\
                     trim=end_frame={samples},setpts=N[o{index}]"
                )
            }
            Form::Audio(sound) => {
                let (hertz, layout) = (sound.hertz.get(), sound.channels.layout());
                // As many blocks, and one more for an encoder whose first one is cut short.
                let frame = sound.frame();
                let samples = (samples + 1) * u64::from(frame);
                format!(
                    "anullsrc=r={hertz}:cl={layout},atrim=end_sample={samples},asetnsamples=n={frame}[o{index}]"
                )
            }
        }
    });
    args.extend(["-filter_complex".to_owned(), sources.collect::<Vec<_>>().join(";")]);
    for (index, (rendition, url)) in renditions.iter().zip(outputs).enumerate() {
        args.extend(["-map".to_owned(), format!("[o{index}]")]);
        args.extend(output(rendition, grid, "expr:1", url));
    }
    args
}

/// The label of the pictures that are looked at.
///
/// All of them leave ffmpeg, though one in a segment is used: it works for the output that waits the longest, and one that
/// is given a picture per segment would have all others wait for it.
const LOOK: &str = "look";
/// Their luma alone, each pixel the mean of what it stands for.
const LUMA: &str = "flags=area:out_range=tv,format=yuv420p,extractplanes=y";

const SLATE_TEXT: &str = ",drawtext=text='The programme will be right back':fontcolor=0xd8dee6:fontsize=h/16:\
                          x=(w-tw)/2:y=(h-th)/2";

fn common() -> Vec<String> {
    ["-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+error", "-y"].map(str::to_owned).into()
}

/// The filter graph from the source to one labelled output per rendition.
fn graph(feed: &Feed, renditions: &[Rendition], start: &Start, pace: Pace, outputs: &Outputs) -> String {
    let mut chains = Vec::new();
    if let Some(video) = &feed.video {
        let sizes: Vec<_> =
            renditions.iter().enumerate().filter_map(|(i, r)| Some((i, r, size(r)?))).collect();
        let pace = sizes.first().map(|(_, rendition, _)| paced(&rendition.rate, start.picture, pace));
        let labels: String = sizes.iter().map(|(index, ..)| format!("[p{index}]")).collect();
        let (pace, watched) = (pace.unwrap_or_default(), signs::pictures(&outputs.pictures));
        chains.push(format!("{video}{pace},{watched},split={}{labels}[small]", sizes.len() + 1));
        chains.push(format!("[small]scale={SIDE}:{SIDE}:{LUMA}[{LOOK}]"));
        chains.extend(sizes.iter().map(|(index, _, (width, height))| {
            format!("[p{index}]scale={width}:{height}:flags=bicubic:{COLOURS}[o{index}]")
        }));
    }
    let heard = renditions.iter().enumerate().find_map(|(i, r)| Some((i, sound(r)?)));
    if let (Some(audio), Some((index, sound))) = (&feed.audio, heard) {
        // The pictures of a source that has some set the pace.
        let pace = if feed.video.is_none() { paced_sound(sound, start.block, pace) } else { String::new() };
        let watched = signs::sound(&outputs.sound);
        chains.push(format!("{audio},asetnsamples=n={}{pace},{watched}[o{index}]", sound.frame()));
    }
    chains.join(";")
}

/// Holds each picture back until it is due.
///
/// `realtime` goes by the distance in time from the first picture that it sees. So one more picture comes
/// first, stamped with the moment at which it passes; behind the filter it is taken out. However long ffmpeg
/// takes to start, picture `k` leaves at `k · frame` of the epoch; late ones leave at once.
fn paced(rate: &Rate, first: u64, pace: Pace) -> String {
    let (scale, frame, due) = (rate.scale, rate.frame, rate.ticks(first).micros());
    match pace {
        Pace::Free(_) => String::new(),
        Pace::Live => format!(
            ",tpad=start=1:start_mode=clone,settb=AVTB,setpts='if(N,(N-1)*{frame}*1000000/{scale},RTCTIME-{due})',\
             realtime=limit=3600,trim=start_frame=1,settb={frame}/{scale},setpts=N"
        ),
    }
}

/// The same for audio frames.
fn paced_sound(sound: Sound, block: u64, pace: Pace) -> String {
    let (hertz, frame) = (sound.hertz.get(), sound.frame());
    let second = u128::from(hertz);
    let due = (u128::from(sound.begin(block)) * 1_000_000 + second / 2) / second;
    match pace {
        Pace::Free(_) => String::new(),
        Pace::Live => format!(
            ",adelay=delays={frame}S:all=1,asetnsamples=n={frame},asettb=AVTB,\
             asetpts='if(N,(N-{frame})*1000000/{hertz},RTCTIME-{due})',arealtime=limit=3600,\
             aselect='gte(n,1)',asettb=1/{hertz},asetpts=N"
        ),
    }
}

fn size(rendition: &Rendition) -> Option<(u32, u32)> {
    match rendition.form {
        Form::Video { width, height, .. } => Some((width, height)),
        Form::Audio(_) => None,
    }
}

fn sound(rendition: &Rendition) -> Option<Sound> {
    match rendition.form {
        Form::Video { .. } => None,
        Form::Audio(sound) => Some(sound),
    }
}

/// The encoder and the muxer of one track.
fn output(rendition: &Rendition, grid: &Grid, keyframes: &str, url: &str) -> Vec<String> {
    let codec = match rendition.form {
        Form::Video { codec, .. } => {
            let options = codec.options(rendition.cap, &rendition.rate, grid);
            let Rate { scale, frame } = rendition.rate;
            // The filters give one picture for each place already, but some forget to say how fast they follow
            // each other, and encoders write that into the init.
            format!(
                "{options} -force_key_frames {keyframes} -r {scale}/{frame} -fps_mode cfr -video_track_timescale {scale}"
            )
        }
        Form::Audio(sound) => sound.options(),
    };
    let late = matches!(rendition.form, Form::Video { codec: VideoCodec::Av1, .. });
    let moov = if late { LATE_MOOV } else { "" };
    // Titles, chapters and versions would make the init differ between equal encoders.
    let muxer = format!(
        "-map_metadata -1 -map_chapters -1 -fflags +bitexact -flush_packets 1 -movflags {MOVFLAGS}{moov} -f mp4"
    );
    [words(&codec), words(&muxer), vec![url.to_owned()]].concat()
}

/// Forces a keyframe at the first picture of each segment, counted from picture `first` since 1970.
///
/// Picture `k` opens a segment if `k · frame mod d < frame`. In the smallest units the terms stay far
/// below 2⁵³, where doubles are exact, for centuries of running.
fn keyframes(rate: &Rate, grid: &Grid, first: u64) -> String {
    let frame = u64::from(rate.frame.get()) * 1000;
    let segment = u64::from(grid.millis.get()) * u64::from(rate.scale.get());
    let common = gcd(frame, segment);
    let (frame, segment) = (frame / common, segment / common);
    format!("expr:lt(mod((n+{})*{frame},{segment}),{frame})", first % segment)
}

#[cfg(test)]
mod tests;
