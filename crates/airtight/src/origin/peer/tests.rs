use std::num::NonZeroU32;

use airtight_media::{
    grid::{Grid, Rate},
    record::{Content, Era, Record, Track},
    window::{Media, Opening, Slot},
};

use super::*;

const HASH: &str = "0123456789abcdef";

/// Numbers 10 to `edge`; those in `slate` lack media.
fn snapshot(edge: u64, slate: &[u64]) -> Snapshot {
    let count = |n| NonZeroU32::new(n).unwrap();
    let track = Track {
        name: "720p".parse().unwrap(),
        content: Content::Video { width: 1280, height: 720 },
        rate: Rate { scale: count(25_000), frame: count(1000) },
        codecs: "avc1.64001f".to_owned(),
        bandwidth: 3_000_000,
        init: HASH.parse().unwrap(),
    };
    let opening = Opening {
        init: Bytes::from_static(b"init"),
        slate: Bytes::from_static(b"slate"),
        named: HASH.parse().unwrap(),
    };
    let openings = Arc::new(BTreeMap::from([(track.init, opening)]));
    let slot = |n: u64| {
        let made = if slate.contains(&n) { Made::Slate } else { Made::By("a-7".parse().unwrap()) };
        let parts = [Bytes::from_static(b"one"), Bytes::from_static(b"three")].into();
        let tracks = BTreeMap::from([("720p".parse().unwrap(), Media { parts, made })]);
        Arc::new(Slot { number: Number(n), tracks })
    };
    let grid = Grid { millis: count(2000), parts: count(4) };
    let eras = vec![Era { first: Number(10), tracks: vec![track] }];
    let record = Record { signal: "live01".parse().unwrap(), grid, first: Number(10), eras, end: None };
    let slots = (10..=edge).map(slot).collect();
    Snapshot { record: Arc::new(record), head: Number(10), edge: Number(edge), slots, openings }
}

/// Lines in short: what is held, of which number, how old.
fn told(lines: &[Line]) -> Vec<(&'static str, u64, u64)> {
    let short = |line: &Line| match line {
        Line::Record { .. } => ("record", 0, 0),
        Line::Held { piece, age_ms, .. } => match piece {
            Piece::Init { .. } => ("init", 0, *age_ms),
            Piece::Slate { .. } => ("slate", 0, *age_ms),
            Piece::Segment { number, .. } => ("segment", number.0, *age_ms),
            Piece::Filled { number, .. } => ("filled", number.0, *age_ms),
        },
        other => panic!("{other:?}"),
    };
    lines.iter().map(short).collect()
}

#[test]
fn a_follower_is_told_everything_once_and_then_the_news() {
    let mut teller = Teller::default();
    let first = teller.lines(&snapshot(12, &[11]));
    let expected =
        [("record", 0, 0), ("init", 0, 0), ("slate", 0, 0), ("segment", 10, 4000), ("filled", 11, 2000)];
    assert_eq!(told(&first), [&expected[..], &[("segment", 12, 0)]].concat());
    assert_eq!(told(&teller.lines(&snapshot(12, &[11]))), []);
    assert_eq!(told(&teller.lines(&snapshot(13, &[11, 13]))), [("filled", 13, 0)]);
}

#[test]
fn media_that_replaced_slate_are_told() {
    let mut teller = Teller::default();
    teller.lines(&snapshot(12, &[11, 12]));
    assert_eq!(told(&teller.lines(&snapshot(12, &[12]))), [("segment", 11, 2000)]);
    assert_eq!(told(&teller.lines(&snapshot(12, &[12]))), []);
}

#[test]
fn what_is_told_can_be_fetched_and_nothing_else() {
    let snapshot = snapshot(12, &[11]);
    let mut fetched = 0;
    for line in Teller::default().lines(&snapshot) {
        let Line::Held { piece, length, .. } = line else { continue };
        let held = bytes(&snapshot, &piece).map(|parts| parts.concat().len() as u64);
        let filled = matches!(piece, Piece::Filled { .. });
        assert_eq!(held, (!filled).then_some(length), "{piece:?}");
        fetched += u32::from(held.is_some());
    }
    assert_eq!(fetched, 4);
    let segment = |lineage: &str, number| Piece::Segment {
        lineage: lineage.parse().unwrap(),
        track: "720p".parse().unwrap(),
        number: Number(number),
    };
    for piece in [segment("b-7", 12), segment("a-7", 11), segment("a-7", 13), segment("a-7", 9)] {
        assert!(bytes(&snapshot, &piece).is_none(), "{piece:?}");
    }
}
