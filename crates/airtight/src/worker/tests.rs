//! Lineages of a real ffmpeg, started at moments that the tests choose and encoded as fast as it can.

use std::{
    collections::BTreeMap,
    io::Write as _,
    process::{Command, Stdio},
};

use airtight_media::{
    grid::Number,
    mp4::Init,
    segmenter::{Cut, Segmenter},
    slate::Slate,
};
use bytes::Bytes;

use super::{
    codec::{AudioCodec, Channels, Hertz, Sound, VideoCodec},
    command::{Feed, Outputs, words},
    input::write,
    ladder::Rendition,
    source::Source,
    *,
};

mod finds;
mod joins;
mod paced;

const VIDEO: VideoCodec = VideoCodec::H264 { b_frames: 2 };
const SOUND: Sound = Sound { codec: AudioCodec::Aac, hertz: Hertz::Hz48000, channels: Channels::Stereo };

/// Some moment; 17.3 s later is none of the grid's.
const T: u64 = 1_795_477_632_480;

fn grid() -> Grid {
    Grid::new(2000, 4)
}

/// Runs a program to its end; gives its output.
fn run(program: &str, args: &[String]) -> Vec<u8> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{program} {args:?}: {errors}");
    output.stdout
}

/// What a program makes of a stream that it finds in a file.
///
/// Not from a pipe: there ffmpeg learns of pictures that are shown before they are decoded only as it meets the first, and
/// from then on gives other times.
fn read(program: &str, before: &str, stream: &[u8], after: &str) -> Vec<u8> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(stream).unwrap();
    let path = file.path().display().to_string();
    run(program, &[words(before), vec![path], words(after)].concat())
}

/// One track of one lineage.
struct Taken {
    init: Init,
    segments: BTreeMap<Number, Bytes>,
}

impl Taken {
    /// Init and segments as one stream.
    fn stream(&self, numbers: impl IntoIterator<Item = Number>) -> Vec<u8> {
        let segments = numbers.into_iter().map(|n| &self.segments[&n][..]);
        std::iter::once(&self.init.bytes[..]).chain(segments).collect::<Vec<_>>().concat()
    }
}

/// Encodes `millis` of media from `start` on and cuts all tracks.
fn lineage(grid: &Grid, feed: &Feed, renditions: &[Rendition], start: &Start, millis: u64) -> Vec<Taken> {
    let folder = tempfile::tempdir().unwrap();
    let outputs = encode(folder.path(), grid, feed, renditions, start, millis);
    let taken = renditions.iter().zip(&outputs.tracks).map(|(rendition, path)| {
        let mut segmenter = Segmenter::new(*grid, rendition.rate, start.origin(rendition.form));
        segmenter.push(&std::fs::read(path).unwrap()).unwrap();
        segmenter.finish();
        take(&mut segmenter)
    });
    taken.collect()
}

/// Encodes `millis` of media from `start` on into files of `folder`.
fn encode(
    folder: &Path,
    grid: &Grid,
    feed: &Feed,
    renditions: &[Rendition],
    start: &Start,
    millis: u64,
) -> Outputs {
    let outputs = files(folder, renditions);
    run("ffmpeg", &command::encode(feed, renditions, grid, start, Pace::Free(millis), &outputs));
    outputs
}

/// Outputs into files of `folder`.
fn files(folder: &Path, renditions: &[Rendition]) -> Outputs {
    let path = |name: &str| folder.join(name).display().to_string();
    let tracks = renditions.iter().map(|rendition| path(rendition.name.as_str())).collect();
    Outputs { tracks, pictures: path("pictures"), sound: path("sound"), luma: path("luma") }
}

fn take(segmenter: &mut Segmenter) -> Taken {
    let (mut init, mut segments, mut parts) = (None, BTreeMap::new(), Vec::new());
    let mut dropped = Vec::new();
    while let Some(cut) = segmenter.poll() {
        match cut {
            Cut::Init(found) => init = Some(found),
            Cut::Part { number, last, bytes, .. } => {
                parts.push(bytes);
                if last {
                    segments.insert(number, std::mem::take(&mut parts).concat().into());
                }
            }
            Cut::Dropped { number, .. } => {
                parts.clear();
                dropped.push(number);
            }
        }
    }
    let (first, last) = (segments.keys().next().unwrap().0, segments.keys().last().unwrap().0);
    assert_eq!(segments.len() as u64, last + 1 - first, "no hole");
    assert!(dropped.iter().all(|n| n.0 < first || n.0 > last), "only the ends are dropped: {dropped:?}");
    Taken { init: init.unwrap(), segments }
}

/// The frame codes of a stream, picture by picture.
fn codes(stream: &[u8]) -> Vec<u64> {
    let cells =
        "-vf crop=iw:ih/12:0:ih-ih/12,scale=16:1:flags=area,format=gray -fps_mode passthrough -f rawvideo -";
    let pixels = read("ffmpeg", "-v error -i", stream, cells);
    let code = |row: &[u8]| row.iter().rev().fold(0, |code, pixel| code * 2 + u64::from(*pixel > 127));
    pixels.chunks_exact(16).map(code).collect()
}

fn samples(stream: &[u8]) -> Vec<i16> {
    let bytes = read("ffmpeg", "-v error -i", stream, "-ac 1 -f s16le -");
    bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
}

/// A file of a little more than 3 s, small, whose pictures bear the codes 0, 1, 2 …
fn looped(folder: &Path) -> file::File {
    let path = folder.join(file::LINK);
    let feed = generated::feed(&Start { picture: 0, block: 0 }, false, SOUND);
    let graph = format!("{},scale=320:180:flags=area[v];{}[a]", feed.video.unwrap(), feed.audio.unwrap());
    let mut args = words("-v error -y -filter_complex");
    args.push(graph);
    args.extend(words("-map [v] -map [a] -t 3.03 -c:v libx264 -preset veryfast -c:a aac -f matroska"));
    args.push(path.display().to_string());
    run("ffmpeg", &args);
    probed(folder, SOUND)
}

/// What ffprobe says of the file in `folder`, whose lists are written beside it.
fn probed(folder: &Path, sound: Sound) -> file::File {
    let mut args = words("-v error -of json -show_entries");
    args.extend([probe::ENTRIES.to_owned(), folder.join(file::LINK).display().to_string()]);
    let file = probe::parse(&run("ffprobe", &args), sound).unwrap();
    write(&file.lists(), folder).unwrap();
    file
}

/// What a run from `start` reads of the file in `folder`.
fn feed(file: &file::File, start: &Start, folder: &Path) -> Feed {
    let feed = file.feed(start, &folder.display().to_string());
    write(&feed.lists, folder).unwrap();
    feed
}

/// Two lineages of the looped file, 17.3 s apart, both longer than twenty loops; the pictures in a loop.
fn two_lineages() -> ([Vec<Taken>; 2], u64) {
    let folder = tempfile::tempdir().unwrap();
    let file = looped(folder.path());
    let renditions = ladder::renditions(&file.source, VIDEO);
    let lineages = [T, T + 17_300].map(|millis| {
        let start = Start::at(millis, &file.source);
        lineage(&grid(), &feed(&file, &start, folder.path()), &renditions, &start, 84_000)
    });
    (lineages, file.reels.0.unwrap().length.0)
}

#[test]
fn lineages_show_the_same_picture_at_the_same_moment_and_join_anywhere() {
    let ([a, b], length) = two_lineages();
    for (index, (a, b)) in a.iter().zip(&b).enumerate() {
        assert_eq!(a.init, b.init, "track {index}");
        let common: Vec<_> = a.segments.keys().filter(|n| b.segments.contains_key(n)).copied().collect();
        assert!(common.len() > 30, "twenty loops of 3 s");
        // One stream that changes the lineage with each segment: no decoder error, no gap, no sample lost.
        let mixed = |odd| {
            let segment = |n: &Number| if n.0 % 2 == odd { &a.segments[n][..] } else { &b.segments[n][..] };
            let segments = common.iter().map(segment);
            std::iter::once(&a.init.bytes[..]).chain(segments).collect::<Vec<_>>().concat()
        };
        let streams = [mixed(0), mixed(1), a.stream(common.clone()), b.stream(common.clone())];
        if index == 0 {
            let shown = codes(&streams[0]);
            let expected: Vec<_> =
                common.iter().flat_map(|n| n.0 * 50..n.0 * 50 + 50).map(|k| k % length).collect();
            assert_eq!(shown, expected);
            assert!(streams[1..].iter().all(|stream| codes(stream) == expected));
        } else {
            same_sound(&streams.map(|stream| samples(&stream)));
        }
    }
}

/// The very same samples but for what two encoders make of them.
fn same_sound(streams: &[Vec<i16>; 4]) {
    let loud = streams[0].iter().filter(|s| s.unsigned_abs() > 2000).count();
    assert!(loud > 48_000, "the beeps are there: {loud} loud samples");
    for other in &streams[1..] {
        assert_eq!(streams[0].len(), other.len());
        let differences = streams[0].iter().zip(other).map(|(a, b)| u64::from(a.abs_diff(*b)));
        // A tone of 1000 Hz that is one sample late differs by an eighth of its height.
        let (worst, total) = differences.fold((0, 0), |(worst, total), d| (worst.max(d), total + d));
        assert!(total < other.len() as u64 * 20, "mean difference {}", total / other.len() as u64);
        assert!(worst < 2500, "largest difference {worst}");
    }
}

#[test]
fn the_generated_programme_bears_the_index_of_each_picture() {
    let source = generated::source(SOUND);
    let renditions = ladder::renditions(&source, VIDEO);
    let start = Start::at(T, &source);
    let tracks = lineage(&grid(), &generated::feed(&start, false, SOUND), &renditions, &start, 7000);
    for track in &tracks[..2] {
        let numbers: Vec<_> = track.segments.keys().copied().collect();
        let expected = numbers.iter().flat_map(|n| n.0 * 50..n.0 * 50 + 50).map(|k| k % 65_536);
        assert_eq!(codes(&track.stream(numbers.clone())), expected.collect::<Vec<_>>());
    }
}

#[test]
fn a_slate_plays_under_the_init_of_its_track() {
    let folder = tempfile::tempdir().unwrap();
    let file = looped(folder.path());
    let start = Start::at(T, &file.source);
    for (source, feed) in [
        (file.source, feed(&file, &start, folder.path())),
        (generated::source(SOUND), generated::feed(&Start::at(T, &generated::source(SOUND)), false, SOUND)),
    ] {
        let renditions = ladder::renditions(&source, VIDEO);
        let tracks = lineage(&grid(), &feed, &renditions, &Start::at(T, &source), 6500);
        slates(&grid(), &renditions, &tracks);
    }
}

/// The slates of all tracks play under their inits, and the programme after them.
fn slates(grid: &Grid, renditions: &[Rendition], tracks: &[Taken]) {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<_> = renditions.iter().map(|r| folder.path().join(format!("{}.mp4", r.name))).collect();
    let urls: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    run("ffmpeg", &command::slate(renditions, grid, false, &urls));
    for ((rendition, path), track) in renditions.iter().zip(&paths).zip(tracks) {
        let prepared = slate::prepared(rendition, std::fs::read(path).unwrap().into()).unwrap();

        assert_eq!(prepared.init, track.init, "{}", rendition.name);
        let slate = Slate::parse(&prepared.slate, &track.init, rendition.rate).unwrap();
        let number = *track.segments.keys().next().unwrap();
        let stamped = slate.stamp(grid, number).concat();
        let after = track.segments[&number.next()].to_vec();
        let stream = [&track.init.bytes[..], &stamped, &after].concat();
        plays(&stream, rendition.rate.frame.get());
    }
}

/// A decoder has nothing to complain of, and the times of the samples have no gap.
fn plays(stream: &[u8], step: u32) {
    read("ffmpeg", "-v error -xerror -i", stream, "-f null -");
    let text = read("ffprobe", "-v error", stream, "-show_entries packet=pts -of csv=p=0");
    let text = String::from_utf8(text).unwrap();
    let mut times: Vec<i64> =
        text.lines().map(|line| line.split(',').next().unwrap().parse().unwrap()).collect();
    times.sort_unstable();
    let gap = times.windows(2).find(|pair| pair[1] - pair[0] != i64::from(step));
    assert_eq!(gap, None);
}
