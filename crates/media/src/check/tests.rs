//! A segment of a real encoder passes; with one thing wrong it is refused by the error of that thing.

use super::*;
use crate::{
    mp4::foreign::rewrite,
    segmenter::{Cut, Segmenter},
};

const VIDEO: &[u8] = include_bytes!("../../tests/data/video.mp4");
const GRID: Grid = Grid::new(2000, 4);
const RATE: Rate = Rate::new(25_000, 1000);
/// A number of these days.
const N: Number = Number(897_738_816);
/// `sample_is_non_sync_sample` of ISO/IEC 14496-12.
const NON_SYNC: u32 = 0x0001_0000;
/// The boxes of the segment: `styp`, then `moof` and `mdat` of each of four parts.
const MOOF: [usize; 4] = [1, 3, 5, 7];
const MDAT: [usize; 4] = [2, 4, 6, 8];

/// The init of the recording, and its segment [`N`] box by box.
fn recorded() -> (Init, Vec<Bytes>) {
    // The recording forces keyframes 30 frames after its start.
    let mut segmenter = Segmenter::new(GRID, RATE, N.0 * 50 - 30);
    segmenter.push(VIDEO).unwrap();
    let (mut init, mut parts) = (None, Vec::new());
    while let Some(cut) = segmenter.poll() {
        match cut {
            Cut::Init(found) => init = Some(found),
            Cut::Part { number, bytes, .. } if number == N => parts.push(bytes),
            _ => {}
        }
    }
    let boxes = split(parts.concat().into()).map(|next| next.unwrap().bytes).collect();
    (init.unwrap(), boxes)
}

fn checked(init: &Init, boxes: &[Bytes]) -> Result<Vec<Bytes>, CheckError> {
    segment(&boxes.concat().into(), init, &GRID, N, &RATE)
}

/// Changes a `moof` as another encoder would have written it.
fn moof(bytes: &mut Bytes, change: impl FnOnce(&mut Fragment)) {
    *bytes = rewrite(bytes, &recorded().0, change);
}

/// An `mdat` with other data.
fn mdat(bytes: &mut Bytes, change: impl FnOnce(&mut Vec<u8>)) {
    let mut data = bytes[8..].to_vec();
    change(&mut data);
    let size = u32::try_from(data.len() + 8).unwrap();
    *bytes = [&size.to_be_bytes()[..], b"mdat", &data].concat().into();
}

/// A `free` box.
fn free() -> Bytes {
    Bytes::from_static(b"\0\0\0\x0cfree\0\0\0\0")
}

/// What is done to the boxes of a segment.
type Change = fn(&mut Vec<Bytes>);

/// Each is refused, with this error.
fn refused(cases: impl IntoIterator<Item = (&'static str, Change, CheckError)>) {
    let (init, whole) = recorded();
    assert_eq!(checked(&init, &whole).unwrap().len(), 4);
    for (what, change, expected) in cases {
        let mut boxes = whole.clone();
        change(&mut boxes);
        assert_eq!(checked(&init, &boxes).map(|parts| parts.len()), Err(expected), "{what}");
    }
}

#[test]
fn a_part_beside_the_grid_is_refused() {
    let begins = GRID.span(N, &RATE).start().value;
    let time = |part, expected, by: i64| {
        let found = i64::try_from(expected).unwrap() + by;
        CheckError::Time { part: Part(part), found, expected }
    };
    let count = |part, found, expected| CheckError::Count { part: Part(part), found, expected };
    refused([
        (
            "a segment that is one frame late",
            (|boxes| MOOF.iter().for_each(|at| moof(&mut boxes[*at], |f| f.time += 1000))) as Change,
            time(0, begins, 1000),
        ),
        (
            "a last part that is one tick early",
            |boxes| moof(&mut boxes[MOOF[3]], |f| f.time -= 1),
            time(3, begins + 39_000, -1),
        ),
        (
            "a part that lacks its last picture",
            |boxes| moof(&mut boxes[MOOF[1]], |f| f.samples.truncate(12)),
            count(1, 12, 13),
        ),
        ("a part too many", |boxes| boxes.extend_from_within(MOOF[3]..), count(4, 11, 0)),
    ]);
}

#[test]
fn samples_that_are_not_what_they_claim_are_refused() {
    refused([
        (
            "a picture that is one tick longer",
            (|boxes| moof(&mut boxes[MOOF[2]], |f| f.samples[5].duration += 1)) as Change,
            CheckError::Duration(Part(2)),
        ),
        (
            "a picture that claims one byte more",
            |boxes| moof(&mut boxes[MOOF[1]], |f| f.samples[5].size += 1),
            CheckError::Length(Part(1)),
        ),
        (
            "a byte too many",
            |boxes| mdat(&mut boxes[MDAT[3]], |data| data.push(0)),
            CheckError::Length(Part(3)),
        ),
        (
            "a byte too few",
            |boxes| mdat(&mut boxes[MDAT[3]], |data| data.truncate(data.len() - 1)),
            CheckError::Length(Part(3)),
        ),
        (
            "a first picture that needs others",
            |boxes| moof(&mut boxes[MOOF[0]], |f| f.samples[0].flags |= NON_SYNC),
            CheckError::NoKeyframe,
        ),
    ]);
}

#[test]
fn boxes_that_are_not_those_of_a_segment_are_refused() {
    let order = |kind: &str| CheckError::Order(kind.to_owned());
    let truncated = |boxes: &[Bytes]| {
        let offset = boxes.iter().map(|b| b.len() as u64).sum();
        CheckError::Mp4(Mp4Error::Truncated { offset })
    };
    let (_, whole) = recorded();
    refused([
        ("two moof in a row", (|boxes| drop(boxes.remove(MDAT[0]))) as Change, order("moof")),
        ("data without their moof", |boxes| drop(boxes.remove(MOOF[1])), order("mdat")),
        ("a box between a moof and its data", |boxes| boxes.insert(MDAT[2], free()), order("free")),
        ("an init in front", |boxes| boxes.insert(0, recorded().0.bytes), order("ftyp")),
        ("a part too few", |boxes| boxes.truncate(MOOF[3]), truncated(&whole[..MOOF[3]])),
        ("a last moof without data", |boxes| drop(boxes.pop()), truncated(&whole[..MOOF[3]])),
        ("a box behind the last part", |boxes| boxes.push(free()), truncated(&whole)),
    ]);
}

#[test]
fn a_box_in_front_of_a_part_belongs_to_it() {
    let (init, mut boxes) = recorded();
    boxes.insert(MOOF[1], free());
    let parts = checked(&init, &boxes).unwrap();
    assert_eq!(parts[1], boxes[MOOF[1]..MOOF[2] + 1].concat());
}

#[test]
fn a_segment_may_exceed_the_bandwidth_of_its_track_but_not_by_far() {
    let (init, _) = recorded();
    let bandwidth = 800_000;
    let track = Track {
        name: "720p".parse().unwrap(),
        content: init.kind.into(),
        rate: RATE,
        codecs: init.codecs.clone(),
        bandwidth,
        init: init.hash,
    };
    // Two seconds at the bandwidth are 200,000 bytes.
    let most = 4 * 200_000 + (64 << 10);
    let of = |length: u64| size(&vec![0; usize::try_from(length).unwrap()].into(), &track, &GRID);
    assert_eq!(of(most), Ok(()));
    assert_eq!(of(most + 1), Err(CheckError::Size { found: most + 1, most }));
    let widest = Track { bandwidth: u32::MAX, ..track };
    assert_eq!(size(&Bytes::new(), &widest, &Grid::new(u32::MAX, 1)), Ok(()));
}
