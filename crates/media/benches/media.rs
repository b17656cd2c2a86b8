//! How fast the pure core is, on one core, with data in memory: `make bench`.
//!
//! `cut` follows and cuts two seconds of 720p25 at 5 Mb/s; its figure counts bytes of input.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails ends")]

use std::num::NonZeroU32;

use airtight_media::{
    grid::{Grid, Number, Part, Rate},
    mp4::{Sample, encode_chunk},
    route,
    segmenter::Segmenter,
};
use bytes::Bytes;
use divan::{Bencher, counter::BytesCount};

const RECORDING: &[u8] = include_bytes!("../tests/data/video.mp4");
/// 5 Mb/s at 25 pictures a second.
const PICTURE: u32 = 25_000;
const FIRST: u64 = 897_738_816;

fn main() {
    divan::main();
}

fn grid() -> Grid {
    Grid { millis: NonZeroU32::new(2000).unwrap(), parts: NonZeroU32::new(4).unwrap() }
}

fn rate() -> Rate {
    Rate { scale: NonZeroU32::new(25_000).unwrap(), frame: NonZeroU32::new(1000).unwrap() }
}

/// One segment as an encoder writes it: a fragment per picture, behind a real init.
fn stream() -> Vec<u8> {
    let boxes = airtight_media::mp4::split(Bytes::from_static(RECORDING)).take(2);
    let mut stream: Vec<u8> = boxes.flat_map(|b| b.unwrap().bytes.to_vec()).collect();
    let data = Bytes::from(vec![0x5a; PICTURE as usize]);
    for picture in 0..50u32 {
        let flags = if picture == 0 { 0x0200_0000 } else { 0x0101_0000 };
        let sample = Sample { duration: 1000, size: PICTURE, flags, offset: 0 };
        let time = u64::from(picture) * 1000;
        stream.extend_from_slice(&encode_chunk(
            &[],
            picture,
            time,
            1000,
            &[sample],
            std::slice::from_ref(&data),
        ));
    }
    stream
}

#[divan::bench]
fn cut(bencher: Bencher<'_, '_>) {
    let stream = stream();
    bencher.counter(BytesCount::of_slice(&stream)).bench(|| {
        let mut segmenter = Segmenter::new(grid(), rate(), FIRST * 50);
        for read in stream.chunks(64 << 10) {
            segmenter.push(read).unwrap();
        }
        std::iter::from_fn(|| segmenter.poll()).count()
    });
}

#[divan::bench]
fn span_of_a_part() -> u64 {
    grid().part_span(Number(divan::black_box(FIRST)), Part(3), &rate()).first
}

#[divan::bench]
fn parse_a_segments_url() -> bool {
    route::parse(divan::black_box("/live01/720p/897738816.m4s"), None).is_ok()
}
