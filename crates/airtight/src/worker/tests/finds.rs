//! ffmpeg's detectors find what is wrong with a programme, and nothing in a good one.

use airtight_media::{
    health::{Findings, Health, Sign},
    parity::{Luma, SIDE},
};

use super::*;

/// The first number that a run from [`T`] holds whole; it begins 1.52 s after the run.
const FIRST: u64 = 897_738_817;

/// The words for the pictures and for the sound of the numbers from [`FIRST`] on.
fn words(feed: &Feed, source: &Source, count: u64) -> [Vec<Health>; 2] {
    let (folder, start) = (tempfile::tempdir().unwrap(), Start::at(T, source));
    let renditions = ladder::renditions(source, VIDEO);
    let millis = (count + 1) * 2000;
    let outputs = encode(folder.path(), &grid(), feed, &renditions, &start, millis);
    [(outputs.pictures, &renditions[0]), (outputs.sound, &renditions[renditions.len() - 1])].map(
        |(path, track)| {
            let time = |frame| track.rate.ticks(start.origin(track.form) + frame).millis();
            let (mut reader, mut found) = (signs::Reader::default(), Findings::new(time(0)));
            for said in std::fs::read_to_string(path).unwrap().lines().filter_map(|line| reader.line(line)) {
                found.take(Sign { what: said.what, begins: said.begins, at_ms: time(said.frame) });
            }
            let numbers = (FIRST..FIRST + count).map(Number);
            numbers.map(|n| found.health(grid().start_millis(n), grid().end_millis(n))).collect()
        },
    )
}

#[test]
fn black_frozen_and_silent_segments_are_found_and_no_others() {
    let source = generated::source(SOUND);
    // Black and silent are the second and third number; the fifth begins to be frozen, the seventh is so no more.
    let video = "testsrc2=s=320x180:r=25,format=yuv420p,drawbox=c=black:t=fill:enable='between(n,88,187)',\
                 drawbox=c=red:t=fill:enable='between(n,263,362)',setpts=N";
    let audio = "aevalsrc='if(between(t,3.4,7.6),0.0005,0.1)*sin(2*PI*440*t)':s=48000,\
                 aformat=channel_layouts=stereo";
    let feed = Feed { video: Some(video.to_owned()), audio: Some(audio.to_owned()), ..Feed::default() };
    let [pictures, sound] = words(&feed, &source, 8);
    let (good, black, frozen, silent) = (Health::Healthy, Health::Black, Health::Frozen, Health::Silent);
    assert_eq!(pictures, [good, black, black, good, good, frozen, good, good]);
    assert_eq!(sound, [good, silent, silent, good, good, good, good, good]);
}

#[test]
fn a_tone_each_second_and_a_picture_that_hardly_moves_are_a_programme() {
    let (source, start) = (generated::source(SOUND), Start::at(T, &generated::source(SOUND)));
    let [pictures, sound] = words(&generated::feed(&start, false, SOUND), &source, 4);
    assert_eq!([pictures, sound], [[Health::Healthy; 4], [Health::Healthy; 4]]);
}

/// What the pictures of a run look like that begins so many milliseconds after [`T`], each by its place since 1970.
fn pictures(late: u64) -> BTreeMap<u64, Luma> {
    let (source, folder) = (generated::source(SOUND), tempfile::tempdir().unwrap());
    let (start, renditions) = (Start::at(T + late, &source), ladder::renditions(&source, VIDEO));
    let feed = generated::feed(&start, false, SOUND);
    let outputs = encode(folder.path(), &grid(), &feed, &renditions, &start, 4000);
    let pixels = std::fs::read(outputs.luma).unwrap();
    assert_eq!(pixels.len(), 100 * SIDE * SIDE, "each picture of four seconds, and no other");
    let pictures = pixels.chunks_exact(SIDE * SIDE).map(|picture| Luma::of(picture.try_into().unwrap()));
    (start.picture..).zip(pictures).collect()
}

#[test]
fn a_picture_looks_the_same_in_all_runs_of_a_programme_and_unlike_its_neighbour() {
    let (one, later) = (pictures(0), pictures(2600));
    let both: Vec<_> = one.iter().filter_map(|(at, luma)| Some((luma, later.get(at)?))).collect();
    assert_eq!(both.len(), 35);
    assert!(both.iter().all(|(one, later)| one == later), "the same instants");
    let moved =
        one.values().zip(one.values().skip(1)).filter(|(one, next)| one.similarity(next) < 0.9).count();
    assert!(moved > 50, "the picture moves: {moved} of 99 differ from the one before");
}
