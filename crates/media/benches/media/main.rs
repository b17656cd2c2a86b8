//! How fast the pure core is, on one core, with data in memory: `make bench`.
//!
//! `cut` follows and cuts two seconds of 720p25 at 5 Mb/s with AAC at 128 kb/s; its figure counts bytes of input.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails ends")]

use airtight_media::{
    grid::{Grid, Number, Part, Rate},
    mp4::{Sample, encode_chunk},
    route,
    segmenter::Segmenter,
};
use bytes::Bytes;
use divan::{Bencher, counter::BytesCount};

mod composer;

const RECORDING: &[u8] = include_bytes!("../../tests/data/video.mp4");
/// 5 Mb/s at 25 pictures a second.
const PICTURE: u32 = 25_000;
const SOUND: &[u8] = include_bytes!("../../tests/data/audio.mp4");
/// 128 kb/s in blocks of 1024 samples at 48 kHz.
const BLOCK: u32 = 341;
const FIRST: u64 = 897_738_816;

fn main() {
    divan::main();
}

fn grid() -> Grid {
    Grid::new(2000, 4)
}

fn rate(scale: u32, frame: u32) -> Rate {
    Rate::new(scale, frame)
}

/// One track's stream as an encoder writes it: a fragment per sample behind a real init.
fn stream(recording: &'static [u8], samples: u32, size: u32, duration: u32) -> Vec<u8> {
    let boxes = airtight_media::mp4::split(Bytes::from_static(recording)).take(2);
    let mut stream: Vec<u8> = boxes.flat_map(|b| b.unwrap().bytes.to_vec()).collect();
    let data = Bytes::from(vec![0x5a; size as usize]);
    for index in 0..samples {
        let flags = if index == 0 { 0x0200_0000 } else { 0x0101_0000 };
        let sample = Sample { duration, size, flags, offset: 0 };
        let time = u64::from(index * duration);
        stream.extend(encode_chunk(&[], index, time, duration, &[sample], std::slice::from_ref(&data)));
    }
    stream
}

#[divan::bench]
fn cut(bencher: Bencher<'_, '_>) {
    let (pictures, sound) = (rate(25_000, 1000), rate(48_000, 1024));
    let first = |rate: &Rate| grid().span(Number(FIRST), rate).first;
    let tracks = [
        (pictures, first(&pictures), stream(RECORDING, 50, PICTURE, 1000)),
        (sound, first(&sound), stream(SOUND, 94, BLOCK, 1024)),
    ];
    let bytes: usize = tracks.iter().map(|(.., stream)| stream.len()).sum();
    bencher.counter(BytesCount::new(bytes)).bench(|| {
        let mut cuts = 0;
        for (rate, first, stream) in &tracks {
            let mut segmenter = Segmenter::new(grid(), *rate, *first);
            for read in stream.chunks(64 << 10) {
                segmenter.push(read).unwrap();
            }
            cuts += std::iter::from_fn(|| segmenter.poll()).count();
        }
        // Two inits and four parts of each track: all of it was cut.
        assert!(cuts >= 10, "{cuts}");
    });
}

#[divan::bench]
fn span_of_a_part() -> u64 {
    grid().part_span(Number(divan::black_box(FIRST)), Part(3), &rate(25_000, 1000)).first
}

#[divan::bench]
fn parse_a_segments_url() -> bool {
    route::parse(divan::black_box("/live01/720p/897738816.m4s"), None).is_ok()
}
