//! A snapshot, for the tests of whoever reads one.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc};

use airtight_media::{
    grid::{Grid, Number, Rate},
    record::{Content, Era, Record, Track},
    window::{Made, Media, Opening, Slot, Snapshot},
};
use bytes::Bytes;

/// The hash of the init of its track.
pub const INIT: &str = "0123456789abcdef";
/// The hash of the slate of its track.
pub const SLATE: &str = "fedcba9876543210";

/// Signal `live01` of one track, `720p`: holds these numbers, lists those from `head` on. Each has two parts of
/// lineage `a-7`, or is slate.
pub fn snapshot(held: RangeInclusive<u64>, head: u64, slate: &[u64]) -> Snapshot {
    let track = Track {
        name: "720p".parse().unwrap(),
        content: Content::Video { width: 1280, height: 720 },
        rate: Rate::new(25_000, 1000),
        codecs: "avc1.64001f".to_owned(),
        bandwidth: 3_000_000,
        init: INIT.parse().unwrap(),
    };
    let (init, picture) = (Bytes::from_static(b"init"), Bytes::from_static(b"a slate"));
    let opening = Opening { init, slate: picture, named: SLATE.parse().unwrap() };
    let openings = Arc::new(BTreeMap::from([(track.init, opening)]));
    let slot = |n| {
        let made = if slate.contains(&n) { Made::Slate } else { Made::By("a-7".parse().unwrap()) };
        let parts = [Bytes::from_static(b"one"), Bytes::from_static(b"three")].into();
        let tracks = BTreeMap::from([("720p".parse().unwrap(), Media { parts, made })]);
        Arc::new(Slot { number: Number(n), tracks })
    };
    let grid = Grid::new(2000, 4);
    let (first, edge) = (Number(*held.start()), Number(*held.end()));
    let eras = vec![Era { first, tracks: vec![track] }];
    let record = Record { signal: "live01".parse().unwrap(), grid, first, eras, end: None };
    let slots = held.map(slot).collect();
    Snapshot { record: Arc::new(record), head: Number(head), edge, slots, openings }
}
