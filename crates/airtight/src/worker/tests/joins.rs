//! Two lineages of one file, begun at different moments and mixed at random places, play as one: at every
//! rate, with every codec, for every odd input.
//!
//! What is expected is computed here from the epoch, in integers, and by nothing that is tested. A failing row
//! prints its seed; `SEED` repeats it and `JOINS` says how often each row changes the lineage.

use std::ops::RangeInclusive;

use airtight_media::{check, grid::Rate, mp4};

use super::*;

/// Joins of each row, unless `JOINS` says otherwise.
const JOINS: usize = 2;
/// Around an edge of a beep either is taken: what an encoder makes of it begins a little early or ends late.
const EDGE_US: u64 = 3000;
/// Sound of a file begins and ends with whole frames of the file.
const FRAME_US: u64 = 32_000;
/// What a decoder needs until it is in step.
const WARMUP_MS: usize = 100;

/// What is odd about a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Oddity {
    None,
    /// Every seventh picture is missing.
    VariableRate,
    /// It is to be turned by a quarter before it is shown.
    Turned,
    /// Its chroma samples lie in the middle of four pictures' points, not at the left.
    CentredChroma,
    /// Its sound is there only in these microseconds.
    SoundWithin(u64, u64),
    /// Its sound is missing in these microseconds.
    SoundWithout(u64, u64),
}

#[derive(Clone, Copy)]
struct Row {
    /// Pictures per second of the file, as a fraction.
    fps: (u32, u32),
    /// The rate that is expected of the track.
    rate: (u32, u32),
    /// Pictures in the file.
    pictures: u64,
    /// Its size as shown.
    size: (u32, u32),
    /// The size that is expected of the track.
    encoded: (u16, u16),
    video: VideoCodec,
    sound: Option<Sound>,
    /// The codecs that are expected; of video the beginning.
    codecs: (&'static str, &'static str),
    /// Milliseconds of a segment, and its parts.
    grid: (u32, u32),
    container: &'static str,
    oddity: Oddity,
}

const PLAIN: Row = Row {
    fps: (25, 1),
    rate: (25_000, 1000),
    pictures: 77,
    size: (320, 180),
    encoded: (320, 180),
    video: H264,
    sound: Some(SOUND),
    codecs: ("avc1.6400", "mp4a.40.2"),
    grid: (1000, 4),
    container: "mp4",
    oddity: Oddity::None,
};

const H264: VideoCodec = VideoCodec::H264 { b_frames: 2 };
const HEVC: Row =
    Row { video: VideoCodec::Hevc { b_frames: 2 }, codecs: ("hvc1.1.6.L", "mp4a.40.2"), ..PLAIN };
const AV1: Row = Row { video: VideoCodec::Av1, codecs: ("av01.0.0", "mp4a.40.2"), ..PLAIN };
const OPUS: Row =
    Row { sound: Some(Sound { codec: AudioCodec::Opus, ..SOUND }), codecs: ("avc1.6400", "Opus"), ..PLAIN };

const fn aac(hertz: Hertz, channels: Channels) -> Option<Sound> {
    Some(Sound { codec: AudioCodec::Aac, hertz, channels })
}

const fn at(fps: (u32, u32), row: Row) -> Row {
    let rate = if fps.1 == 1 { (fps.0 * 1000, 1000) } else { fps };
    Row { fps, rate, ..row }
}

macro_rules! rows {
    ($($name:ident: $row:expr;)*) => { $(
        #[test]
        fn $name() {
            check(&$row);
        }
    )* };
}

rows! {
    at_23_976_fps: at((24_000, 1001), Row { pictures: 73, ..PLAIN });
    at_24_fps_in_parts_of_a_fifth_of_a_second: at((24, 1), Row { grid: (1000, 5), ..PLAIN });
    at_25_fps_in_segments_of_6_s_and_parts_of_a_fifth: Row { grid: (6000, 30), ..PLAIN };
    at_29_97_fps: at((30_000, 1001), Row { pictures: 91, grid: (2000, 4), ..PLAIN });
    at_29_97_fps_in_segments_that_no_rate_divides: at((30_000, 1001), Row { grid: (1500, 3), ..PLAIN });
    at_30_fps_in_segments_of_3_s: at((30, 1), Row { grid: (3000, 3), ..PLAIN });
    at_50_fps_without_b_frames: at((50, 1), Row { video: VideoCodec::H264 { b_frames: 0 }, ..PLAIN });
    at_59_94_fps: at((60_000, 1001), Row { pictures: 187, ..PLAIN });
    at_60_fps_with_4_b_frames: at((60, 1), Row { video: VideoCodec::H264 { b_frames: 4 }, ..PLAIN });
    with_sound_at_44_1_khz:
        at((30_000, 1001), Row { sound: aac(Hertz::Hz44100, Channels::Stereo), pictures: 91, ..PLAIN });
    with_mono_sound_at_44_1_khz_in_segments_of_4_s:
        Row { sound: aac(Hertz::Hz44100, Channels::Mono), grid: (4000, 4), ..PLAIN };
    with_mono_sound: Row { sound: aac(Hertz::Hz48000, Channels::Mono), ..PLAIN };
    with_5_1_sound: Row { sound: aac(Hertz::Hz48000, Channels::Surround), container: "matroska", ..PLAIN };
    with_opus: at((30_000, 1001), Row { pictures: 91, ..OPUS });
    with_mono_opus_in_segments_of_2_s: Row {
        sound: Some(Sound { codec: AudioCodec::Opus, channels: Channels::Mono, ..SOUND }), grid: (2000, 10), ..OPUS
    };
    with_5_1_opus:
        Row { sound: Some(Sound { codec: AudioCodec::Opus, channels: Channels::Surround, ..SOUND }), ..OPUS };
    in_hevc: at((30_000, 1001), Row { pictures: 91, ..HEVC });
    in_hevc_without_b_frames_at_50_fps: at((50, 1), Row { video: VideoCodec::Hevc { b_frames: 0 }, ..HEVC });
    in_hevc_with_opus_at_23_976_fps:
        at((24_000, 1001), Row { sound: OPUS.sound, codecs: (HEVC.codecs.0, "Opus"), pictures: 73, ..HEVC });
    in_av1: AV1;
    in_av1_with_opus_at_59_94_fps:
        at((60_000, 1001), Row { sound: OPUS.sound, codecs: (AV1.codecs.0, "Opus"), pictures: 187, ..AV1 });
    of_odd_size: Row { size: (321, 241), encoded: (320, 240), ..PLAIN };
    that_stands: Row { size: (180, 320), encoded: (180, 320), ..PLAIN };
    that_is_turned: Row { size: (180, 320), encoded: (180, 320), oddity: Oddity::Turned, ..PLAIN };
    of_variable_rate: Row { rate: (20_000, 1000), oddity: Oddity::VariableRate, ..PLAIN };
    with_centred_chroma: Row { oddity: Oddity::CentredChroma, ..PLAIN };
    with_centred_chroma_in_hevc: Row { oddity: Oddity::CentredChroma, ..HEVC };
    with_centred_chroma_in_av1: Row { oddity: Oddity::CentredChroma, ..AV1 };
    without_sound: Row { sound: None, codecs: ("avc1.6400", ""), ..PLAIN };
    whose_sound_begins_late: Row { oddity: Oddity::SoundWithin(1_500_000, u64::MAX), ..PLAIN };
    whose_sound_ends_early: Row { oddity: Oddity::SoundWithin(0, 500_000), pictures: 310, ..PLAIN };
    whose_sound_is_missing_midway:
        Row { oddity: Oddity::SoundWithout(900_000, 2_100_000), container: "matroska", ..PLAIN };
}

impl Row {
    /// Pictures in one showing.
    fn length(&self) -> u64 {
        // At another rate than that of the file, its last picture lasts longer.
        self.pictures * u64::from(self.fps.1) * u64::from(self.rate.0)
            / (u64::from(self.fps.0) * u64::from(self.rate.1))
    }

    /// Makes the file, whose pictures bear the codes 0, 1, 2 … and whose every second begins with a beep.
    fn file(&self, folder: &Path) -> file::File {
        let path = folder.join(file::LINK);
        let ((width, height), (above, below)) = (self.size, self.fps);
        let turned = self.oddity == Oddity::Turned;
        let drop = if self.oddity == Oddity::VariableRate { ",select='mod(n,7)-3'" } else { "" };
        let turn = if turned { ",transpose=cclock" } else { "" };
        let (strip, pictures) = (height.div_ceil(12), self.pictures);
        let video = format!(
            "testsrc2=s={width}x{height}:r={above}/{below},format=yuv444p[bars];\
             nullsrc=s=16x2:r={above}/{below},format=yuv444p,\
             geq=lum='16+219*mod(floor(N/pow(2,X)),2)':cb=128:cr=128,scale={width}:{strip}:flags=neighbor[code];\
             [bars][code]overlay=x=0:y={}:format=yuv444:shortest=1,trim=end_frame={pictures}{drop}{turn}[v]",
            height - strip
        );
        let mut args = words("-v error -y -filter_complex");
        let seconds = pictures * u64::from(below) * 1000 / u64::from(above) + 100;
        args.push(match self.sound {
            Some(sound) => format!("{video};{}", self.beeps(sound, seconds)),
            None => video,
        });
        args.extend(words("-map [v] -c:v libx264 -preset veryfast -fps_mode passthrough"));
        if self.oddity == Oddity::CentredChroma {
            args.extend(words("-bsf:v h264_metadata=chroma_sample_loc_type=1"));
        }
        if self.sound.is_some() {
            args.extend(words("-map [a] -c:a aac"));
        }
        args.extend(words(&format!("-f {}", self.container)));
        args.push(path.display().to_string());
        run("ffmpeg", &args);
        if turned {
            turn_clockwise(&path);
        }
        probed(folder, self.sound.unwrap_or(SOUND))
    }

    /// A filter that gives 80 ms of a tone at each full second, where the file has sound.
    fn beeps(&self, sound: Sound, millis: u64) -> String {
        let (hertz, layout) = (sound.hertz.get(), sound.channels.layout());
        let cut = |from: u64, to: u64| format!("between(t,{}/1e6,{}/1e6)", from, to.min(1 << 50));
        let keep = match self.oddity {
            Oddity::SoundWithin(from, to) => format!(",aselect='{}'", cut(from, to)),
            Oddity::SoundWithout(from, to) => format!(",aselect='not({})'", cut(from, to)),
            _ => String::new(),
        };
        format!(
            "aevalsrc=exprs='0.25*sin(2*PI*1000*t)*lt(mod(t,1),0.08)':s={hertz}:d={}.{:03},\
             aformat=channel_layouts={layout},asetnsamples=n=1024{keep}[a]",
            millis / 1000,
            millis % 1000
        )
    }

    /// The frame codes that picture `index` since 1970 may bear.
    fn codes(&self, index: u64) -> RangeInclusive<u64> {
        let place = index % self.length();
        if self.oddity != Oddity::VariableRate {
            return place..=place;
        }
        // The newest picture of the file at that moment, or the one before if it is missing.
        let newest = place * u64::from(self.rate.1) * u64::from(self.fps.0)
            / (u64::from(self.rate.0) * u64::from(self.fps.1));
        newest.saturating_sub(1)..=newest + 1
    }

    /// Whether a beep is to be heard at audio sample `index` since 1970; none near an edge of one.
    fn beeps_at(&self, index: u64, hertz: u32) -> Option<bool> {
        let showing = u128::from(self.length()) * u128::from(self.rate.1) * 1_000_000;
        let now = u128::from(index) * 1_000_000 * u128::from(self.rate.0) / u128::from(hertz);
        let into = u64::try_from(now % showing / u128::from(self.rate.0)).unwrap();
        let within = into % 1_000_000;
        let near = |edge: u64| into.abs_diff(edge) < FRAME_US;
        let cut = match self.oddity {
            Oddity::SoundWithin(from, to) | Oddity::SoundWithout(from, to) => near(from) || near(to),
            _ => false,
        };
        let end = u64::try_from(showing / u128::from(self.rate.0)).unwrap();
        let edges = [0, 80_000, 1_000_000].iter().any(|edge| within.abs_diff(*edge) < EDGE_US);
        if cut || edges || near(0) || near(end) {
            return None;
        }
        let there = match self.oddity {
            Oddity::SoundWithin(from, to) => (from..to).contains(&into),
            Oddity::SoundWithout(from, to) => !(from..to).contains(&into),
            _ => true,
        };
        Some(there && within < 80_000)
    }
}

/// Writes into a file that it is to be turned clockwise by a quarter: the matrix of ISO/IEC 14496-12, 8.3.2.
fn turn_clockwise(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let header = bytes.windows(4).position(|four| four == b"tkhd").unwrap() - 4;
    let matrix = [0, 0x1_0000, 0, -0x1_0000_i32, 0, 0].map(i32::to_be_bytes).concat();
    bytes[header + 48..][..matrix.len()].copy_from_slice(&matrix);
    std::fs::write(path, bytes).unwrap();
}

/// Drawn once: the encoders end in the middle of the last sound frame of a segment, and in a beep.
#[test]
fn of_encoders_that_end_within_a_frame() {
    check_drawn(&at((30_000, 1001), Row { grid: (1500, 3), ..PLAIN }), 2_310_932_997, JOINS);
}

fn check(row: &Row) {
    let variable = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seed = variable("SEED").unwrap_or_else(|| fastrand::u64(..1 << 32));
    let joins = variable("JOINS").map_or(JOINS, |joins| usize::try_from(joins).unwrap());
    println!("SEED={seed} JOINS={joins}");
    check_drawn(row, seed, joins);
}

fn check_drawn(row: &Row, seed: u64, joins: usize) {
    let mut random = fastrand::Rng::with_seed(seed);
    let grid = Grid::new(row.grid.0, row.grid.1);

    let folder = tempfile::tempdir().unwrap();
    let file = row.file(folder.path());
    let renditions = ladder::renditions(&file.source, row.video);
    assert_eq!(renditions.len(), 1 + usize::from(row.sound.is_some()));
    let apart = random.u64(300..5000);
    // One more for each end that is cut short, and half as many again so that joins lie at random.
    let millis = (joins as u64 * 3 / 2 + 4) * u64::from(row.grid.0);
    let begin = T + random.u64(..10_000_000);
    let [a, b] = [(begin, millis + apart), (begin + apart, millis)].map(|(at, millis)| {
        let start = Start::at(at, &file.source);
        lineage(&grid, &feed(&file, &start, folder.path()), &renditions, &start, millis)
    });
    slates(&grid, &renditions, &a);
    for (index, (a, b)) in a.iter().zip(&b).enumerate() {
        let mix = Mix::new(a, b, joins, &mut random);
        if index == 0 {
            mix.pictures(row, &grid);
        } else {
            mix.sound(row, &grid, renditions[index].rate);
        }
    }
}

/// A track that changes the lineage here and there.
struct Mix<'a> {
    lineages: [&'a Taken; 2],
    /// Which lineage each segment is of.
    picks: Vec<(Number, usize)>,
}

impl<'a> Mix<'a> {
    fn new(a: &'a Taken, b: &'a Taken, joins: usize, random: &mut fastrand::Rng) -> Self {
        assert_eq!(a.init, b.init);
        let common: Vec<_> = a.segments.keys().filter(|n| b.segments.contains_key(n)).copied().collect();
        let mut places: Vec<_> = (1..common.len()).collect();
        assert!(places.len() >= joins, "{} segments for {joins} joins", common.len());
        random.shuffle(&mut places);
        places.truncate(joins);
        let first = random.usize(..2);
        let lineage = |i: usize| (first + places.iter().filter(|place| **place <= i).count()) % 2;
        let picks = common.iter().enumerate().map(|(i, number)| (*number, lineage(i))).collect();
        Self { lineages: [a, b], picks }
    }

    fn numbers(&self) -> impl Iterator<Item = Number> {
        self.picks.iter().map(|(number, _)| *number)
    }

    /// The mix, and each of the lineages alone.
    fn streams(&self) -> [Vec<u8>; 3] {
        let [a, b] = self.lineages;
        let segments = self.picks.iter().map(|(number, of)| &self.lineages[*of].segments[number][..]);
        let mixed: Vec<_> = std::iter::once(&a.init.bytes[..]).chain(segments).collect();
        [mixed.concat(), a.stream(self.numbers()), b.stream(self.numbers())]
    }

    fn pictures(&self, row: &Row, grid: &Grid) {
        let rate = Rate::new(row.rate.0, row.rate.1);
        let init = &self.lineages[0].init;
        let (width, height) = row.encoded;
        assert_eq!(init.kind, mp4::Kind::Video { width, height });
        assert!(init.codecs.starts_with(row.codecs.0), "{}", init.codecs);
        self.on_the_grid(grid, &rate);
        let streams = self.streams();
        for stream in &streams {
            plays(stream, rate.frame.get());
        }
        let shown = streams.map(|stream| codes(&stream));
        let indices = self.numbers().flat_map(|number| indices(grid, number, &rate)).collect::<Vec<_>>();
        for shown in &shown {
            assert_eq!(shown.len(), indices.len(), "all pictures are there");
            for (index, code) in indices.iter().zip(shown) {
                let expected = row.codes(*index);
                assert!(expected.contains(code), "picture {index} is {code}, not of {expected:?}");
            }
        }
        assert_eq!(shown[1], shown[2], "both lineages show the same");
    }

    fn sound(&self, row: &Row, grid: &Grid, rate: Rate) {
        let (sound, init) = (row.sound.unwrap(), &self.lineages[0].init);
        let channels = u16::try_from(sound.channels.count()).unwrap();
        assert_eq!(init.kind, mp4::Kind::Audio { channels, sample_rate: sound.hertz.get() });
        assert_eq!(init.codecs, row.codecs.1);
        self.on_the_grid(grid, &rate);
        let numbers: Vec<_> = self.numbers().collect();
        let (first, last) = (numbers[0], numbers[numbers.len() - 1]);
        let frame = u64::from(rate.frame.get());
        let end = indices(grid, last, &rate).last().unwrap() + 1;
        let whole = (end - indices(grid, first, &rate).next().unwrap()) * frame;
        for stream in self.streams() {
            plays(&stream, rate.frame.get());
            let heard = samples(&stream);
            // A decoder of Opus leaves out what the init calls priming.
            assert_eq!(heard.len() as u64 + u64::from(init.priming), whole, "all sound is there");
            let begin = end * frame - heard.len() as u64;
            let warm = WARMUP_MS * sound.hertz.get() as usize / 1000;
            // An encoder that ends fills its last frame with silence.
            let judged = &heard[warm..heard.len() - rate.frame.get() as usize];
            let blocks = (begin + warm as u64..).step_by(48).zip(judged.chunks_exact(48));
            for (index, block) in blocks {
                let loud = block.iter().any(|sample| sample.unsigned_abs() > 1500);
                let expected = [index, index + 47].map(|index| row.beeps_at(index, sound.hertz.get()));
                if let [Some(expected), Some(_)] = expected {
                    assert_eq!(loud, expected, "a beep at sample {index} of the epoch");
                }
            }
        }
    }

    /// Every segment passes the check of those who take it, and its presentation is what its number says.
    fn on_the_grid(&self, grid: &Grid, rate: &Rate) {
        for (number, of) in &self.picks {
            let taken = self.lineages[*of];
            let parts = check::segment(&taken.segments[number], &taken.init, grid, *number, rate).unwrap();
            let expected: Vec<_> = indices(grid, *number, rate)
                .map(|index| i128::from(index) * i128::from(rate.frame.get()))
                .collect();
            let mut times = Vec::new();
            let mut longest = 0;
            for part in &parts {
                let moof = mp4::split(part.clone()).map(Result::unwrap).find(|b| &b.kind == b"moof").unwrap();
                let fragment = mp4::Fragment::parse(&moof.bytes, &taken.init).unwrap();
                longest = longest.max(fragment.samples.len());
                let at = |i: usize, offset: i32| {
                    i128::from(fragment.time) + i as i128 * i128::from(rate.frame.get()) + i128::from(offset)
                };
                times.extend(fragment.samples.iter().enumerate().map(|(i, sample)| at(i, sample.offset)));
            }
            times.sort_unstable();
            assert_eq!(times, expected, "number {number}");
            // All parts but the last are of one length: what a segment has on average, rounded up.
            let samples = u64::from(grid.millis.get()) * u64::from(rate.scale.get());
            let part = samples.div_ceil(1000 * u64::from(rate.frame.get()) * u64::from(grid.parts.get()));
            assert_eq!(longest as u64, part.min(expected.len() as u64), "number {number}");
        }
    }
}

/// The samples since 1970 whose time lies in segment `number`.
fn indices(grid: &Grid, number: Number, rate: &Rate) -> std::ops::Range<u64> {
    let at = |number: u64| {
        let ticks = u128::from(number) * u128::from(grid.millis.get()) * u128::from(rate.scale.get());
        u64::try_from(ticks.div_ceil(1000 * u128::from(rate.frame.get()))).unwrap()
    };
    at(number.0)..at(number.0 + 1)
}
